// @ts-check
/** The page: puts its parts together. The only module that reads the address, its history, the clock and chance. */

import * as api from "./api.js";
import { START, formatAddress, parseAddress } from "./address.js";
import { mountCreateForm } from "./create-form.js";
import { find } from "../chart/dom.mjs";
import { mountFieldsForm } from "./fields-form.js";
import { createPoll } from "./poll.js";
import { createSession } from "./session.js";
import { mountStreamView } from "./stream-view.js";

/** @import { Address } from "./address.js" */
/** @import { View } from "./session.js" */

const start = find(document, "#start", HTMLElement);
const stream = find(document, "#stream", HTMLElement);

const session = createSession({ api, now_s: () => Date.now() / 1000, onchange: render });
const poll = createPoll(session.load, {
  page: document,
  setTimeout: (run, delay_ms) => setTimeout(run, delay_ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: Math.random,
});
const streamView = mountStreamView(stream, { api, origin: location.origin, onchange: go, onrefresh: refresh });

mountFieldsForm(find(start, "#open", HTMLFormElement), (fields) => go({ ...START, ...fields }));
mountCreateForm(find(start, "#create", HTMLFormElement), {
  api,
  oncreate(created) {
    streamView.welcome(created);
    go({ ...START, stream: created.id, key: created.read_key });
  },
});
addEventListener("popstate", follow);
follow();

/** Changes the address, as a step in the history. @param {Partial<Address>} change */
function go(change) {
  const from = session.view.address;
  history.pushState(null, "", location.pathname + formatAddress({ ...from, ...change }));
  follow();
  if (session.view.address.stream !== from.stream) find(document, "section:not([hidden]) h1", HTMLElement).focus();
}

/** Shows what the address says. */
function follow() {
  session.open(parseAddress(location.search, location.hash));
  if (session.view.address.stream) poll.now();
  else poll.stop();
}

/** Reads everything again, by hand or after a write. */
function refresh() {
  session.expectLabels();
  poll.now();
}

/** @param {View} view */
function render(view) {
  start.hidden = view.address.stream !== "";
  stream.hidden = !start.hidden;
  streamView.update(view);
}
