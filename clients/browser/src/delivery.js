// @ts-check
/**
 * Delivers points to the server: each may be sent several times, and counts at most once.
 *
 * The life of a batch:
 * 1. `gather` puts points into the open batch, and merges those with equal labels within ten seconds.
 * 2. `cut` closes the batch and gives it a random id. The id goes along as `?batch=`, the server's idempotency key: for
 *    ten minutes after the first request the server answers every repetition with 202 and counts nothing again.
 * 3. `post` writes the batch to localStorage, then sends it. One batch is under way at a time, so that a slow server
 *    does not get a second one meanwhile; a page that is leaving sends up to two.
 * 4. A 202 acknowledges the batch, and a refusal (answer.js) ends it: both delete it. Any other answer, and none, means
 *    "perhaps": the same batch goes again under the same id after a pause. Pauses grow by a random factor of 1.5 to
 *    2.5, up to a minute, so that pages do not return in step after an outage; `Retry-After` can only make a pause
 *    longer.
 * 5. Nine minutes after it may have arrived, a batch is dropped. The server forgets its id after ten, and would count
 *    it twice: a lost batch is the smaller harm. A batch that was never sent waits for 23 hours.
 *
 * What survives a page's end: no browser promises an event before it kills a page. A crash, and a phone that frees
 * memory, give none; `unload` often does not fire on phones, and listening to it can cost a page the back/forward
 * cache. The last reliable moment is when a page becomes hidden: `leave` then sends what it can, and leaves the rest in
 * storage. A batch there belongs to any tab of the site: `adopt` takes over a batch that its tab has let go of
 * (`held_s` is 0), or that no tab has touched for longer than a request takes. Two tabs may still send the same batch:
 * the id makes that harmless.
 */

import { isFinal, isRefusal, waitOf } from "./answer.js";
import { attempt } from "./attempt.js";
import { json } from "./json.js";
import { options } from "./options.js";
import { encode } from "./point.js";
import { request } from "./request.js";

/** Points with equal labels within one slot merge. */
const SLOT_S = 10;
/** In memory, and again in storage: 300 KB of the 5 MB that browsers give a site. */
const MAX_BATCHES = 10;
/** A batch belongs to the tab that sent it for this long: longer than a request may take (30 s, request.js). */
const HOLD_S = 45;

/** @import { Entry } from "./point.js" */
/**
 * A batch, in memory and in storage. Other versions of this script read it from storage, so these names stay.
 * @typedef {object} Batch
 * @property {string} id
 * @property {Entry[]} points
 * @property {number} until_s it is not sent after this
 * @property {any} [held_s] when a tab last sent it; 0 where that tab has let go of it; absent: it is not in storage
 * @property {boolean} [isLate] whether it carries times: since the first try, as with other bytes it would be another
 *   batch to the server. After a refusal of its times it goes once more without them.
 */

/** How many points were not accepted, or are known not to have arrived. */
export let dropped = 0;
/** Whether nothing is sent: delivery has not started, or the server has refused this page for good. */
export let off = true;
/** Where batches go, up to their id; empty before the start. */
export let url = "";

/** The names of this stream's batches in storage begin with this. */
let prefix = "";
/** Whether batches are kept in storage. */
let isKept = false;
/**
 * The open batch: a point that may merge is under its labels, any other one under a key of its own.
 * @type {Record<string, Entry>}
 */
let open = {};
let openBytes = 0;
/** Batches that wait for an acknowledgement, oldest first. @type {Batch[]} */
let batches = [];
/** The waiting batches that are under way. @type {Batch[]} */
let busy = [];
/** The pause after the latest failure, and when the next try is due. */
let pause_s = 1;
let retryAt_s = 0;
/** The work under way: what `work` is asked for meanwhile comes after it. */
let working = Promise.resolve();
/** @type {any} */
let timer;

/** Starts to deliver to the stream. The endpoint is any address of the deployment. */
export const startDelivery = () => {
  // The key is in the address. A header would cost each batch a preflight, for which a closing page has no time, and a
  // beacon has no headers at all.
  url = `${options.endpoint.split("/", 3).join("/")}/v1/streams/${options.stream}/points?${options.key ? `key=${options.key}&` : ""}batch=`;
  prefix = `heartbeat:${options.stream}:`;
  isKept = options.keep ?? true;
  off = false;
  setTimeout(work, options.flushInterval * 1000);
};

/** Unix seconds by the visitor's clock, which may be wrong by years. */
export const now_s = () => Date.now() / 1000;

/** An id that no other page has. `crypto.randomUUID` exists only in secure contexts, and not before Safari 15.4. */
export const random = () => Math.random() + "-" + now_s();

/** Counts points as lost. @param {number} points */
export const lose = (points) => (dropped += points);

/**
 * Adds a point to the open batch.
 * @param {Entry} point
 * @param {boolean} [merges] whether it may merge with a point of equal labels
 * @returns {boolean | void} true where there is no room for it
 */
export const gather = (point, merges) => {
  // A page has 64 KiB for all its keepalive requests and beacons together (Fetch standard): two batches fit.
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
  // A point on its own needs a key that no other has. An integer would do, but integer keys come first in an object,
  // and points are sent in their order.
  open[merges && !same ? key : openBytes + 0.5] = point;
  openBytes += bytes;
  arm();
};

/** Closes the open batch, unless too many wait. */
export const cut = () => {
  // The server accepts points of the last 24 hours; an hour less, for clocks and retries.
  const WAIT_S = 82800;
  if (!openBytes || batches.length >= MAX_BATCHES) return;
  batches.push({ id: random(), points: Object.values(open), until_s: now_s() + WAIT_S });
  open = {};
  openBytes = 0;
};

/** Sets the timer for the next work, where there is some. */
const arm = () => {
  if (batches.length || openBytes) timer ??= setTimeout(work, Math.max(retryAt_s - now_s(), options.flushInterval) * 1000);
};

/**
 * Sends what is due, one batch after another, and takes over batches of other tabs.
 * @returns {Promise<any>} after the last answer
 */
export const work = () => {
  timer = void clearTimeout(timer);
  return (working = working.then(sendAll).then(adopt).then(arm, arm));
};

const sendAll = async () => {
  /** @type {Batch | undefined} */
  let batch;
  if (!batches.length) cut();
  while ((batch = batches.find(isReady))) await post(batch);
};

/**
 * Whether a batch may be sent now. `navigator.onLine` may be true without any connection, but false is reliable: then
 * nothing is sent, and the batch stays one that has certainly not arrived.
 * @param {Batch} batch
 */
const isReady = (batch) => !off && navigator.onLine && now_s() >= retryAt_s && !busy[1] && !busy.includes(batch);

/** The page may be gone in a moment: sends two batches that are due, and lets other tabs take over the rest. */
export const leave = () => {
  cut();
  batches.forEach((batch) => (isReady(batch) ? post(batch, true) : store(batch, 0)));
};

/**
 * Sends a batch, and acts on the answer.
 * @param {Batch} batch
 * @param {boolean} [leaving] whether the page may be gone before the answer
 */
const post = async (batch, leaving) => {
  // The server remembers an id for ten minutes; a minute less, as a request may take a while to arrive.
  const REPEAT_S = 540;
  const MAX_PAUSE_S = 60;
  try {
    const now = now_s();
    const { id, points } = batch;
    const { until_s } = batch.held_s >= 0 ? read(prefix + id, batch) : batch;
    // Another tab that had an answer has deleted the batch: `until_s` is undefined then, and nothing is lost.
    if (!(until_s > now)) return drop(batch, until_s);
    // The server stamps fresh points: its clock is right. Points that have waited carry times of the visitor's clock.
    batch.isLate ??= now - points[0].at_s - SLOT_S > options.flushInterval;
    const body = json(points.map(({ at_s, t = batch.isLate ? at_s : undefined, ...point }) => ({ ...point, t })));
    // From here on the batch may have arrived.
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
    // A 400 for late points is about their times, if the visitor's clock is wrong: they go once more without.
    off = isFinal(status);
    if (batch.isLate && status == 400) batch.isLate = false;
    else drop(batch, status != 202);
  } catch {
    // An entry of storage under our name need not be a batch: the site's other scripts write there too. It is deleted.
    drop(batch);
  }
};

/** Forgets a batch, in storage too. @param {Batch} batch @param {unknown} [isLost] */
const drop = (batch, isLost) => {
  if (isLost) lose(batch.points.length);
  batches = batches.filter((one) => one != batch);
  stored((storage) => delete storage[prefix + batch.id]);
};

/**
 * Runs something on localStorage; nothing where the owner wants none, or the browser denies it. Reading the property
 * throws in a sandboxed frame and where cookies are blocked; writing throws when the site's quota is full.
 * @template T
 * @param {(storage: Storage) => T} run
 */
const stored = (run) => isKept && attempt(() => run(localStorage));

/** The names of this stream's batches. @param {Storage} storage */
const kept = (storage) => Object.keys(storage).filter((key) => key.startsWith(prefix));

/**
 * A batch as storage has it, where another tab may have changed it.
 * @param {string} key
 * @param {any} otherwise without storage
 */
const read = (key, otherwise) => stored((storage) => JSON.parse(storage[key] || "{}")) ?? otherwise;

/** Writes a batch to storage, where there is room. @param {Batch} batch @param {number} held_s 0 lets go of it */
const store = (batch, held_s) =>
  stored((storage) => {
    if (batch.held_s >= 0 || kept(storage).length < MAX_BATCHES) {
      storage[prefix + batch.id] = json({ ...batch, held_s });
      batch.held_s = held_s;
    }
  });

/** Takes over batches that other tabs have let go of, or were killed with. */
const adopt = () =>
  stored((storage) =>
    kept(storage).forEach((key) => {
      const batch = read(key, 0);
      if (now_s() - batch.held_s > HOLD_S && !batches.some(({ id }) => id == batch.id)) batches.push(batch);
    }),
  );
