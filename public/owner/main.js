// @ts-check
/**
 * The owner's page: puts its parts together. The only module that reads the address, the history, the clock and
 * storage.
 */

import { Problem } from "../live/problem.mjs";
import { find } from "../chart/dom.mjs";
import { createPoll } from "../reader/poll.js";
import { formatPlace, parsePlace } from "./address.js";
import * as api from "./api.js";
import { mountConfigForm } from "./config-form.js";
import { DEMO, empty } from "./config.js";
import { mountDialog } from "./dialog.js";
import { mountSignIn } from "./sign-in.js";
import { mountStreamList } from "./stream-list.js";
import { mountStreamPage } from "./stream-page.js";
import { createToken } from "./token.js";

/** @import { Place } from "./address.js" */

const sections = Object.fromEntries(["sign-in", "list", "create", "stream"].map((id) => [id, find(document, `#${id}`, HTMLElement)]));
const nav = find(document, "#session", HTMLElement);
const token = createToken(() => sessionStorage);
const now_s = () => Date.now() / 1000;
const dialog = mountDialog(find(document, "#dialog", HTMLDialogElement));
const signIn = mountSignIn(sections["sign-in"], enter);
const list = mountStreamList(sections.list, { api, token: () => token.value, now_s, onrefused: refused });
const page = mountStreamPage(sections.stream, {
  api,
  origin: location.origin,
  token: () => token.value,
  now_s,
  ask: dialog.ask,
  onrefused: refused,
  onchange: list.add,
  ondelete(id) {
    list.remove(id);
    go({ view: "list" });
  },
});
const createForm = mountConfigForm(find(sections.create, "form", HTMLFormElement), {
  action: "Create",
  async send(body) {
    const stream = await api.createStream(token.value, body);
    list.add(stream);
    page.welcome(stream, stream.read_key);
    go({ view: "stream", id: stream.id });
    page.focusKey();
    return "";
  },
});
const poll = createPoll(page.load, {
  page: document,
  setTimeout: (run, delay_ms) => setTimeout(run, delay_ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: Math.random,
});

let isListed = false;

find(nav, "button", HTMLButtonElement).addEventListener("click", () => leave(null));
addEventListener("popstate", () => show());
document.addEventListener("click", follow);
show();

/** Follows links of this page without loading it, so that the token stays in memory. @param {MouseEvent} event */
function follow(event) {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.target || link.origin !== location.origin || link.pathname !== location.pathname) return;
  event.preventDefault();
  go(parsePlace(link.search));
}

/** @param {Place} place */
function go(place) {
  history.pushState(null, "", location.pathname + formatPlace(place));
  show();
}

/** Shows the state in the address to a visitor who is signed in. */
function show() {
  const place = token.value ? parsePlace(location.search) : null;
  const view = place?.view ?? "sign-in";
  const isOther = sections[view].hidden;
  for (const [id, section] of Object.entries(sections)) section.hidden = id !== view;
  nav.hidden = !place;
  if (place?.view !== "stream") {
    poll.stop();
    // A key that is shown only once must be gone when somebody comes back.
    page.turn("");
    document.title = "Streams – Heartbeat";
  }
  if (place?.view === "stream") turn(place.id);
  if (place?.view === "create") prepare(place.preset);
  if (place?.view === "list" && !isListed) list.refresh();
  isListed = place?.view === "list";
  if (isOther) {
    scrollTo(0, 0);
    find(sections[view], "h1", HTMLElement).focus();
  }
}

/** @param {string} id */
function turn(id) {
  if (page.id !== id) page.turn(id);
  poll.now();
}

/** @param {"" | "demo"} preset */
function prepare(preset) {
  createForm.update(preset === "demo" ? DEMO : empty());
  find(sections.create, ".demo-hint", HTMLElement).hidden = preset !== "demo";
  document.title = "Create a stream – Heartbeat";
}

/** Signs in if the list opens with the token. @param {string} typed @param {boolean} isKept */
async function enter(typed, isKept) {
  signIn.update({ isBusy: true, failed: null });
  try {
    const first = await api.listStreams(typed, null);
    token.set(typed, isKept);
    signIn.clear();
    list.begin(first);
    isListed = true;
    show();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    signIn.update({ isBusy: false, failed: error });
  }
}

/**
 * The token may have been replaced: then the page asks for it again.
 * @param {Problem} problem
 * @returns {boolean} whether the problem was that
 */
function refused(problem) {
  const isOver = problem.status === 401 || problem.type.endsWith("#creating-disabled");
  if (isOver) leave(problem);
  return isOver;
}

/** Signs out. @param {Problem | null} problem the reason, unless it was by choice */
function leave(problem) {
  token.forget();
  list.forget();
  page.forget();
  isListed = false;
  show();
  signIn.update({ isBusy: false, failed: problem });
}
