// @ts-check
/**
 * The window that a reader keeps: a snapshot and the deltas after it, rolled up as the API's `rollup` would answer for
 * the same steps. It slides with the time that it is told. Pure: no clock, no network, no document.
 *
 * Each group has one ring of numbers per field, with a place for each step of the window and for some steps ahead of it:
 * points may be stamped up to a minute ahead, and are shown when their step begins.
 */

/** How far ahead of the window steps are kept: the minute that writers may be ahead, and as much for a slow clock. */
const AHEAD_S = 120;

/** Writers gather points for some seconds: so long after its end a step is complete; longer where deltas show that they come later. */
const LATE_S = 8;
const LATEST_S = 90;

/** What changes a step by less is a straggler; for so long one that is not is remembered. */
const STRAGGLER = 0.05;
const MEMORY_S = 300;

/** The most steps of a window: the API's own limit, with what is ahead. */
const MAX_STEPS = 11_000;

/** Fields whose increments add up. @type {readonly string[]} */
const ADDITIVE = ["n", "d", "count"];

/** Aggregates that follow from them; all others come as fields of their own, which replace. */
const DERIVED = ["sum", "ratio", "rate", "count"];

/** @typedef {(number | null)[]} Column */
/** @typedef {{ labels: Record<string, string>, other?: boolean } & Record<string, any>} Series as in the API's rollup: a column per aggregate */

/**
 * @typedef {object} Message a snapshot or a delta, as it comes
 * @property {"snapshot" | "delta"} type
 * @property {string} cursor
 * @property {number[]} times
 * @property {({ labels: Record<string, string> } & Record<string, any>)[]} series
 * @property {number} [step] this and what follows only in a snapshot
 * @property {number} [from]
 * @property {number} [to]
 * @property {string[]} [agg]
 * @property {number} [now] the server's clock, Unix seconds
 */

/**
 * @typedef {object} View a window at a moment; the first five are as in the API's rollup
 * @property {number} from Unix seconds
 * @property {number} to
 * @property {number} step seconds
 * @property {string[]} agg
 * @property {number[]} times
 * @property {Series[]} series largest first
 * @property {Record<string, number | null>[]} totals of each series, over the whole window; null where steps don't tell it
 * @property {number} until steps that begin here or later are still open: more may come
 * @property {{ n: Column, d: Column }[]} [parts] of each series, where ratios are asked for and known
 */

/** @typedef {{ id: string, labels: Record<string, string>, fields: Record<string, Float64Array> }} Group NaN is no number */

/** Nothing came yet. @type {View} */
export const EMPTY = Object.freeze({ from: 0, to: 0, step: 0, agg: [], times: [], series: [], totals: [], until: 0 });

export function createWindow() {
  let step = 0;
  let to = 0;
  let steps = 0;
  let capacity = 0;
  let agg = /** @type {string[]} */ ([]);
  let fields = ADDITIVE;
  let groups = /** @type {Map<string, Group>} */ (new Map());
  let seen = /** @type {View | null} */ (null);
  /** As it was last told. */
  let now = Infinity;
  let late_s = LATE_S;
  let forget = Infinity;

  /** Long windows begin before 1970. @param {number} time */
  const placeOf = (time) => (((time / step) % capacity) + capacity) % capacity;
  const from = () => to - steps * step;

  /**
   * Adds what came; a snapshot replaces all.
   * @param {Message} message
   * @param {boolean} [isTimely] whether it came as soon as the server had it: what is late then was written late
   * @throws {TypeError} if it is none; then nothing has changed
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

  /** A step that has ended and changes shows how late points come. @param {number} time @param {number} share */
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

  /** A step further ahead than any writer may be shows that this clock is slow. @param {number} time */
  function makeRoom(time) {
    const ahead = capacity - steps;
    if (time >= to + ahead * step) slideTo(time - (ahead - 1) * step);
  }

  /**
   * Moves the window on, so that the step that is under way is its last. Never back.
   * @param {number} now_s
   * @returns {boolean} whether it moved
   */
  function slide(now_s) {
    return step > 0 && slideTo((Math.floor(now_s / step) + 1) * step);
  }

  /** Slides, and knows by the clock which steps are complete. @param {number} now_s @returns {boolean} whether anything is other now */
  function tick(now_s) {
    const before = untilNow();
    now = now_s;
    const isMoved = slide(now_s);
    if (before !== untilNow()) seen = null;
    return isMoved || seen === null;
  }

  const untilNow = () => untilOf({ from: from(), to, step }, now - late_s);

  /** When it changes by itself: a step begins, or one is complete. */
  function next() {
    return Math.min(to, untilNow() + step + late_s);
  }

  /** @param {number} next */
  function slideTo(next) {
    if (next <= to) return false;
    const gone = Math.min((next - to) / step, capacity);
    // The places of the steps that leave are those of the steps that come into reach.
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

/**
 * A rollup as the API answers it, as a view: as a window would have it. It says itself what steps don't tell, if it was asked for
 * `totals`.
 * @param {Omit<View, "totals" | "until" | "parts"> & { now?: number }} rollup `now` is when it was answered; absent: long after
 * @returns {View}
 */
export function viewOf({ from, to, step, agg, times, series, now = Infinity }) {
  const until = untilOf({ from, to, step }, now - LATE_S);
  const all = series.map((one) => {
    const totals = Object.fromEntries(agg.map((name) => [name, name === "ratio" ? one.total?.ratio ?? null : totalOf(name, one[name], (until - from) / step)]));
    return { one, totals, rank: one.other ? -Infinity : rankOf(totals[agg[0]], one[agg[0]]) };
  });
  all.sort((a, b) => b.rank - a.rank || 0);
  return { from, to, step, agg, times, series: all.map(({ one }) => one), totals: all.map(({ totals }) => totals), until };
}

/** How many steps are complete, from the first on. @param {Pick<View, "from" | "step" | "until">} view */
export function completeOf({ from, step, until }) {
  return step > 0 ? (until - from) / step : 0;
}

/** Where the steps begin that a clock has not left behind. @param {Pick<View, "from" | "to" | "step">} window @param {number} now_s */
function untilOf({ from, to, step }, now_s) {
  return Math.min(to, Math.max(from, Math.floor(now_s / step) * step));
}

/** The ratio over all steps of some series. @param {{ n: Column, d: Column }[]} parts */
export function ratioOf(parts) {
  return over(sumOf(parts.flatMap(({ n }) => sumOf(n))), sumOf(parts.flatMap(({ d }) => sumOf(d))));
}

/** Labels in any order are the same group. @param {Record<string, string>} labels */
export function idOf(labels) {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * @param {string} name an aggregate
 * @param {Column} n
 * @param {Column} d
 * @param {number} step
 * @param {(field: string) => Column} read
 * @returns {Column}
 */
function columnOf(name, n, d, step, read) {
  if (name === "sum") return n;
  if (name === "rate") return n.map((value) => over(value, step));
  if (name === "ratio") return n.map((value, i) => over(value, d[i]));
  return read(name);
}

/**
 * What an aggregate is over the whole window, where its steps tell.
 * @param {string} name
 * @param {Column} column
 * @param {number} complete as many steps, from the first on: others are no measure of a rate yet
 * @returns {number | null}
 */
function totalOf(name, column, complete) {
  const known = column.filter((value) => value !== null);
  if (known.length === 0) return null;
  if (name === "sum" || name === "count") return sumOf(column);
  if (name === "rate") return over(sumOf(column.slice(0, complete)), complete);
  if (name === "min") return known.reduce((a, b) => Math.min(a, b));
  if (name === "max") return known.reduce((a, b) => Math.max(a, b));
  return null;
}

/** By which series are ordered. @param {number | null} total @param {Column} column */
function rankOf(total, column) {
  return total ?? column.reduce((/** @type {number} */ most, value) => Math.max(most, value ?? -Infinity), -Infinity);
}

/** @param {number | null} a @param {number | null} b */
function over(a, b) {
  return a === null || !b ? null : a / b;
}

/** @param {Column} column */
function sumOf(column) {
  let sum = /** @type {number | null} */ (null);
  for (const value of column) if (value !== null) sum = (sum ?? 0) + value;
  return sum;
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

/** @param {any} message */
function check(message) {
  const { type, cursor, times, series, step, from, to } = message ?? {};
  const isOne = (type === "snapshot" || type === "delta") && typeof cursor === "string" && Array.isArray(times) && Array.isArray(series);
  if (!isOne || !series.every((one) => isSeries(one, times.length))) throw new TypeError("not a snapshot or a delta");
  if (type === "delta") return;
  const isWhole = step > 0 && [step, from / step, to / step].every(Number.isSafeInteger) && from < to && (to - from) / step <= MAX_STEPS;
  if (!isWhole) throw new TypeError("a snapshot of no window");
}

/** @param {any} one @param {number} length */
function isSeries(one, length) {
  return typeof one?.labels === "object" && Object.values(one).every((column) => !Array.isArray(column) || column.length === length);
}
