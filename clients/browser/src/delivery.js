// @ts-check
/**
 * From points to the server, each at least once and counted once. A page may be closed at any moment without notice, and a
 * phone kills hidden ones; so a batch is in `localStorage` from before it is first sent until it is acknowledged, and tabs of
 * the site take over from each other. The server counts a batch id once for ten minutes; what may have arrived is not sent
 * again after nine.
 */

import { isFinal, isRefusal, waitOf } from "./answer.js";
import { attempt } from "./attempt.js";
import { json } from "./json.js";
import { options } from "./options.js";
import { encode } from "./point.js";
import { request } from "./request.js";

/** Points with equal labels in one such slot are one. */
const SLOT_S = 10;
const MAX_BATCHES = 10;
/** A batch that another tab sent is its own for so long: longer than a request may take. */
const HOLD_S = 45;

/** @import { Entry } from "./point.js" */
/**
 * @typedef {object} Batch its form in storage is that of other versions of this script too
 * @property {string} id
 * @property {Entry[]} points
 * @property {number} until_s when it is no longer sent
 * @property {any} [held_s] when a tab last sent it, 0 where that tab let go; absent: not in storage
 * @property {boolean} [isRefused] it goes once more, without times of ours
 */

/** Points that were not taken, or are known not to have arrived. */
export let dropped = 0;
export let off = true;
export let url = "";

let prefix = "";
let isKept = false;
/** What gathers for the next batch: what may merge under its labels, else under a key of its own. @type {Record<string, Entry>} */
let open = {};
let openBytes = 0;
/** @type {Batch[]} */
let batches = [];
/** @type {Batch[]} */
let busy = [];
let pause_s = 1;
let retryAt_s = 0;
let working = Promise.resolve();
/** @type {any} */
let timer;

/** Sends to the stream from now on. The endpoint is any address of the deployment. */
export const startDelivery = () => {
  // In the address: a beacon has no headers, and each batch would have a preflight of its own, for which a closing page has no time.
  url = `${options.endpoint.split("/", 3).join("/")}/v1/streams/${options.stream}/points?${options.key ? `key=${options.key}&` : ""}batch=`;
  prefix = `heartbeat:${options.stream}:`;
  isKept = options.keep ?? true;
  off = false;
  setTimeout(work, options.flushInterval * 1000);
};

export const now_s = () => Date.now() / 1000;

export const random = () => Math.random() + "-" + now_s();

/** @param {number} points */
export const lose = (points) => (dropped += points);

/** Whether there is no room. @param {Entry} point @param {boolean} [merges] with others of its labels */
export const gather = (point, merges) => {
  // Two batches fit the 64 KiB that browsers send from closing pages.
  const MAX_BYTES = 30000;
  const key = merges ? json([(point.at_s / SLOT_S) | 0, point.p, point.t, point.v]) : "";
  const same = open[key];
  if (same && isFinite(same.n + point.n) && isFinite(same.d + point.d)) {
    same.n += point.n;
    same.d += point.d;
    return;
  }
  const bytes = encode(json(point)).length;
  if (openBytes + bytes > MAX_BYTES) cut();
  if (openBytes + bytes > MAX_BYTES) return true;
  // Alone it has a key that no other has: no integer, as those would come first.
  open[merges && !same ? key : openBytes + 0.5] = point;
  openBytes += bytes;
  arm();
};

/** What is open becomes a batch, unless too many wait. */
export const cut = () => {
  // The server takes points of the last 24 hours, so an hour less.
  const WAIT_S = 82800;
  if (!openBytes || batches.length >= MAX_BATCHES) return;
  batches.push({ id: random(), points: Object.values(open), until_s: now_s() + WAIT_S });
  open = {};
  openBytes = 0;
};

const arm = () => {
  if (batches.length || openBytes) timer ??= setTimeout(work, Math.max(retryAt_s - now_s(), options.flushInterval) * 1000);
};

/** Sends what may be sent, one batch after the other. */
export const work = () => {
  timer = void clearTimeout(timer);
  return (working = working.then(sendAll).then(adopt).then(arm, arm));
};

const sendAll = async () => {
  let batch;
  if (!batches.length) cut();
  while ((batch = batches.find(isReady))) await post(batch);
};

/** @param {Batch} batch */
const isReady = (batch) => !off && navigator.onLine && now_s() >= retryAt_s && !busy[1] && !busy.includes(batch);

/** The page may be gone in a moment: all goes at once, and other tabs may take over. */
export const leave = () => {
  cut();
  batches.forEach((batch) => (isReady(batch) ? post(batch, true) : store(batch, 0)));
};

/** @param {Batch} batch @param {boolean} [leaving] */
const post = async (batch, leaving) => {
  // A minute less than the server remembers an id.
  const REPEAT_S = 540;
  const MAX_PAUSE_S = 60;
  try {
    const now = now_s();
    const { id, points } = batch;
    const { until_s } = batch.held_s >= 0 ? read(prefix + id, batch) : batch;
    // Where another tab had its answer, nothing is there any more.
    if (!(until_s > now)) return drop(batch, until_s);
    // Fresh points are stamped by the server, whose clock is right.
    const isLate = !batch.isRefused && now - points[0].at_s - SLOT_S > options.flushInterval;
    const body = json(points.map(({ at_s, t = isLate ? at_s : undefined, ...point }) => ({ ...point, t })));
    batch.until_s = Math.min(until_s, now + REPEAT_S);
    busy.push(batch);
    store(batch, leaving ? 0 : now);
    const { status, headers } = (await request(url + id, body, leaving)) || {};
    busy = busy.filter((one) => one != batch);
    if (status != 202 && !isRefusal(status)) {
      pause_s = Math.min(pause_s * (1.5 + Math.random()), MAX_PAUSE_S);
      retryAt_s = now_s() + Math.max(pause_s, waitOf(headers?.get?.("Retry-After"), now));
      return;
    }
    pause_s = 1;
    off = isFinal(status);
    if (isLate && status == 400) batch.isRefused = true;
    else drop(batch, status != 202);
  } catch {
    // What others have put into storage; or there is no body, and it was dropped before.
    drop(batch);
  }
};

/** @param {Batch} batch @param {unknown} [isLost] */
const drop = (batch, isLost) => {
  if (isLost) lose(batch.points.length);
  batches = batches.filter((one) => one != batch);
  stored((storage) => delete storage[prefix + batch.id]);
};

/**
 * What `run` returns of the storage; nothing where the owner wants none, or the browser gives none.
 * @template T
 * @param {(storage: Storage) => T} run
 */
const stored = (run) => isKept && attempt(() => run(localStorage));

/** @param {Storage} storage */
const kept = (storage) => Object.keys(storage).filter((key) => key.startsWith(prefix));

/** A batch as another tab may have left it. @param {string} key @param {any} otherwise where storage does not say */
const read = (key, otherwise) => stored((storage) => JSON.parse(storage[key] || "{}")) ?? otherwise;

/** @param {Batch} batch @param {number} held_s */
const store = (batch, held_s) =>
  stored((storage) => {
    if (batch.held_s >= 0 || kept(storage).length < MAX_BATCHES) {
      storage[prefix + batch.id] = json({ ...batch, held_s });
      batch.held_s = held_s;
    }
  });

/** Takes over what other tabs let go of, or were killed with. */
const adopt = () =>
  stored((storage) =>
    kept(storage).forEach((key) => {
      const batch = read(key, 0);
      if (now_s() - batch.held_s > HOLD_S && !batches.some(({ id }) => id == batch.id)) batches.push(batch);
    }),
  );
