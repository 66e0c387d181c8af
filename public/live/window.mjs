// @ts-check
/**
 * The window of a reader: a snapshot and the deltas after it, rolled up as the API's `rollup` would answer for the same
 * steps. It slides with the time that `tick` gets. Pure: no clock, no network, no document.
 *
 * Each group has a ring of numbers per field, with a place for each step of the window and for some steps ahead of it:
 * points may be stamped up to a minute ahead, and appear when their step begins.
 */

import { EMPTY, LATE_S, columnOf, idOf, rankOf, ratioOf, totalOf, untilOf } from "./view.mjs";

/** @import { Column, Series, View } from "./view.mjs" */

/** How far ahead of the window steps are kept: a minute for writers that are ahead, and a minute for a slow clock. */
const AHEAD_S = 120;

/** Where deltas show that points come later, a step is complete later: at the latest this long after its end. */
const LATEST_S = 90;

/** A change of a step by a smaller share is a straggler, and shows nothing; a larger one counts for a few minutes. */
const STRAGGLER = 0.05;
const MEMORY_S = 300;

/** The API's limit for the steps of a window. */
const MAX_STEPS = 11_000;

/** Fields whose increments add up. @type {readonly string[]} */
const ADDITIVE = ["n", "d", "count"];

/** Aggregates that follow from these; each other one is a field of its own, whose new value replaces the old one. */
const DERIVED = ["sum", "ratio", "rate", "count"];

/**
 * @typedef {object} Message a snapshot or a delta
 * @property {"snapshot" | "delta"} type
 * @property {string} cursor
 * @property {number[]} times
 * @property {({ labels: Record<string, string> } & Record<string, any>)[]} series
 * @property {number} [step] from here on, only in a snapshot
 * @property {number} [from]
 * @property {number} [to]
 * @property {string[]} [agg]
 * @property {number} [now] the server's clock, Unix seconds
 */

/**
 * @typedef {{ id: string, labels: Record<string, string>, fields: Record<string, Float64Array> }} Group NaN is a gap
 */

export function createWindow() {
  let step = 0;
  let to = 0;
  let steps = 0;
  let capacity = 0;
  let agg = /** @type {string[]} */ ([]);
  let fields = ADDITIVE;
  let groups = /** @type {Map<string, Group>} */ (new Map());
  let seen = /** @type {View | null} */ (null);
  /** The time at the last tick. */
  let now = Infinity;
  let late_s = LATE_S;
  let forget = Infinity;

  /** Not negative, even where a long window begins before 1970. @param {number} time */
  const placeOf = (time) => (((time / step) % capacity) + capacity) % capacity;
  const from = () => to - steps * step;

  /**
   * Adds a delta; a snapshot replaces everything.
   * @param {Message} message
   * @param {boolean} [isTimely] whether it came as soon as the server had it: points that are late then were written
   *   late
   * @throws {TypeError} if it is not a message; then nothing has changed
   */
  function take(message, isTimely = false) {
    check(message);
    if (message.type === "snapshot") begin(message);
    else if (step === 0) throw new TypeError("a delta came before a snapshot");
    const { times, series } = message;
    if (times.length) makeRoom(times[times.length - 1]);
    if (now > forget) [late_s, forget] = [LATE_S, Infinity];
    for (const one of series) add(groupOf(one.labels), times, one, isTimely && message.type === "delta");
    seen = null;
  }

  /** @param {Message} snapshot */
  function begin(snapshot) {
    step = /** @type {number} */ (snapshot.step);
    to = /** @type {number} */ (snapshot.to);
    steps = (to - /** @type {number} */ (snapshot.from)) / step;
    capacity = steps + Math.ceil(AHEAD_S / step) + 1;
    agg = snapshot.agg ?? ["sum"];
    fields = [...ADDITIVE, ...agg.filter((name) => !DERIVED.includes(name))];
    groups = new Map();
  }

  /** @param {Record<string, string>} labels */
  function groupOf(labels) {
    const id = idOf(labels);
    let group = groups.get(id);
    if (!group) {
      group = { id, labels, fields: Object.fromEntries(fields.map((field) => [field, new Float64Array(capacity).fill(NaN)])) };
      groups.set(id, group);
    }
    return group;
  }

  /** A change of a step that has ended shows how late points come. @param {number} time @param {number} share */
  function learn(time, share) {
    const late = now - time - step;
    if (!(late > 0 && late <= LATEST_S && share > STRAGGLER) || late + 1 < late_s) return;
    [late_s, forget] = [late + 1, now + MEMORY_S];
  }

  /** @param {Group} group @param {number[]} times @param {Record<string, any>} came @param {boolean} isChange */
  function add(group, times, came, isChange) {
    const first = from();
    for (const field of fields) {
      const [column, ring, adds] = [came[field], group.fields[field], ADDITIVE.includes(field)];
      if (!column) continue;
      for (let i = 0; i < times.length; i++) {
        if (column[i] == null || times[i] < first) continue;
        const place = placeOf(times[i]);
        ring[place] = adds && !Number.isNaN(ring[place]) ? ring[place] + column[i] : column[i];
        if (isChange && field === "n") learn(times[i], Math.abs(column[i] / ring[place]));
      }
    }
  }

  /** A step further ahead than writers may be shows that our clock is slow: slides there. @param {number} time */
  function makeRoom(time) {
    const ahead = capacity - steps;
    if (time >= to + ahead * step) slideTo(time - (ahead - 1) * step);
  }

  /**
   * Moves the window forward, never back, so that the step under way is its last one.
   * @param {number} now_s
   * @returns {boolean} whether it moved
   */
  function slide(now_s) {
    return step > 0 && slideTo((Math.floor(now_s / step) + 1) * step);
  }

  /**
   * Slides, and marks the steps that are complete by now.
   * @param {number} now_s
   * @returns {boolean} whether anything has changed
   */
  function tick(now_s) {
    const before = untilNow();
    now = now_s;
    const isMoved = slide(now_s);
    if (before !== untilNow()) seen = null;
    return isMoved || seen === null;
  }

  const untilNow = () => untilOf({ from: from(), to, step }, now - late_s);

  /** The next time that `tick` changes something: a step begins, or one is complete. */
  function next() {
    return Math.min(to, untilNow() + step + late_s);
  }

  /** @param {number} next */
  function slideTo(next) {
    if (next <= to) return false;
    const gone = Math.min((next - to) / step, capacity);
    // The steps that leave give their places to the steps that come into reach.
    for (let i = 0, time = from(); i < gone; i++, time += step) {
      const place = placeOf(time);
      for (const group of groups.values()) for (const field of fields) group.fields[field][place] = NaN;
    }
    to = next;
    for (const [id, group] of groups) if (isEmpty(group)) groups.delete(id);
    seen = null;
    return true;
  }

  /** @returns {View} the same object until something changes */
  function view() {
    return (seen ??= step === 0 ? EMPTY : look());
  }

  /** @returns {View} */
  function look() {
    const first = from();
    const times = Array.from({ length: steps }, (_, i) => first + i * step);
    const until = untilNow();
    const complete = (until - first) / step;
    const start = placeOf(first);
    const all = Array.from(groups.values(), ({ id, labels, fields }) => {
      const read = (/** @type {string} */ field) => unrolled(fields[field], start, steps);
      const n = read("n");
      const d = agg.includes("ratio") ? read("d") : n;
      const columns = Object.fromEntries(agg.map((name) => [name, columnOf(name, n, d, step, read)]));
      const total = Object.fromEntries(agg.map((name) => [name, name === "ratio" ? ratioOf([{ n, d }]) : totalOf(name, columns[name], complete)]));
      const series = /** @type {Series} */ ({ labels, ...columns });
      return { id, series, total, n, d, rank: rankOf(total[agg[0]], columns[agg[0]]) };
    }).filter(({ series }) => agg.some((name) => series[name].some((/** @type {any} */ value) => value !== null)));
    all.sort((a, b) => b.rank - a.rank || (a.id < b.id ? -1 : 1));
    const parts = agg.includes("ratio") ? { parts: all.map(({ n, d }) => ({ n, d })) } : {};
    return { from: first, to, step, agg, times, series: all.map(({ series }) => series), totals: all.map(({ total }) => total), until, ...parts };
  }

  return { take, slide, tick, next, view };
}

/** @param {Float64Array} ring @param {number} start @param {number} steps @returns {Column} */
function unrolled(ring, start, steps) {
  const column = /** @type {Column} */ (new Array(steps));
  for (let i = 0, place = start; i < steps; i++, place = place + 1 === ring.length ? 0 : place + 1) {
    column[i] = Number.isNaN(ring[place]) ? null : ring[place];
  }
  return column;
}

/** @param {Group} group */
function isEmpty({ fields }) {
  return Object.values(fields).every((ring) => ring.every(Number.isNaN));
}

/** @param {any} message what came @throws {TypeError} if it is neither a snapshot nor a delta */
function check(message) {
  const { type, cursor, times, series, step, from, to } = message ?? {};
  const isOne = (type === "snapshot" || type === "delta") && typeof cursor === "string" && Array.isArray(times) && Array.isArray(series);
  if (!isOne || !series.every((one) => isSeries(one, times.length))) throw new TypeError("not a snapshot or a delta");
  if (type === "delta") return;
  const isWhole = step > 0 && [step, from / step, to / step].every(Number.isSafeInteger) && from < to && (to - from) / step <= MAX_STEPS;
  if (!isWhole) throw new TypeError("not the window of a snapshot");
}

/** @param {any} one @param {number} length */
function isSeries(one, length) {
  return typeof one?.labels === "object" && Object.values(one).every((column) => !Array.isArray(column) || column.length === length);
}
