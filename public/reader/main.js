// @ts-check
/** The page: puts its parts together. The only module that reads the address, the history and the clock. */

import * as api from "./api.js";
import { CHART, START, formatAddress, parseAddress } from "./address.js";
import { find } from "../chart/dom.mjs";
import "../heartbeat-chart.mjs";
import { open } from "../reader.mjs";
import { mountFieldsForm } from "./fields-form.js";
import { firstFilter, isBare } from "./first-view.js";
import { mountStreamView } from "./stream-view.js";

/** @import { Address } from "./address.js" */

const start = find(document, "#start", HTMLElement);
const stream = find(document, "#stream", HTMLElement);
const streamView = mountStreamView(stream, { api, open, now_s: () => Date.now() / 1000, origin: location.origin, onchange: go });
let isStartMounted = false;
let address = /** @type {Address} */ (START);

/** Streams that were opened, and those that began with a filter: a filter that somebody removes stays away. */
const [begun, filtered] = [/** @type {Set<string>} */ (new Set()), /** @type {Set<string>} */ (new Set())];

mountFieldsForm(find(start, "#open", HTMLFormElement), (fields) => go({ ...START, ...fields }));
addEventListener("popstate", follow);
addEventListener("hashchange", follow);
follow();

/** Changes the address, as a step in the history. @param {Partial<Address>} change */
function go(change) {
  const before = address.stream;
  const link = new URL(formatAddress({ ...address, ...change }), location.origin + location.pathname);
  if (isBare(link.search) && filtered.has({ ...address, ...change }.stream)) link.searchParams.set("where", "");
  history.pushState(null, "", link);
  follow();
  if (address.stream !== before) find(document, "section:not([hidden]) h1", HTMLElement).focus();
}

/** Shows the state in the address. */
function follow() {
  address = parseAddress(location.search, location.hash);
  if (!address.stream) mountStart();
  start.hidden = address.stream !== "";
  stream.hidden = !start.hidden;
  if (address.stream && !begun.has(address.stream)) begin();
  else streamView.update(address);
}

/** Opens a stream for the first time. */
async function begin() {
  const begins = address;
  begun.add(begins.stream);
  const filter = isBare(location.search) ? await firstFilter(api.readRollup, begins, begins) : null;
  if (filter || new URLSearchParams(location.search).get("where") === "") filtered.add(begins.stream);
  if (filter && address === begins) history.replaceState(null, "", location.pathname + formatAddress({ ...begins, charts: [{ ...CHART, where: [filter] }] }));
  follow();
}

/** Mounts the start page, which a visitor with a link to a stream does not need. */
async function mountStart() {
  if (isStartMounted) return;
  isStartMounted = true;
  const [{ mountCreateForm }, api] = await Promise.all([import("./create-form.js"), import("../owner/api.js")]);
  mountCreateForm(find(start, "#create", HTMLFormElement), {
    api,
    oncreate(created) {
      streamView.welcome(created);
      go({ ...START, stream: created.id, key: created.read_key });
    },
  });
}
