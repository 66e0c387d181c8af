// @ts-check
/** A model of a live stream: points in; snapshots, deltas and rollups out, each computed anew from all points. */

/**
 * @typedef {{ time: number, labels: Record<string, string>, n: number, d: number, count: number }} Point `time` is the
 *   start of its step
 */

export const STEP = 10;

/** @param {Record<string, string>} labels */
const idOf = (labels) => JSON.stringify(labels);

export function liveModel() {
  const points = /** @type {Point[]} */ ([]);

  /** The cells of points: by group and time. @param {Point[]} some @param {(time: number) => boolean} has */
  function cellsOf(some, has) {
    const groups = /** @type {Map<string, { labels: Record<string, string>, cells: Map<number, any> }>} */ (new Map());
    for (const { time, labels, n, d, count } of some) {
      if (!has(time)) continue;
      const id = idOf(labels);
      if (!groups.has(id)) groups.set(id, { labels, cells: new Map() });
      const { cells } = /** @type {any} */ (groups.get(id));
      const cell = cells.get(time) ?? { n: 0, d: 0, count: 0 };
      cells.set(time, { n: cell.n + n, d: cell.d + d, count: cell.count + count });
    }
    return [...groups.values()];
  }

  /**
   * @param {{ labels: Record<string, string>, cells: Map<number, any> }[]} groups
   * @param {number[]} times
   * @param {(labels: any, time: number) => number | null} maxOf
   */
  function seriesOf(groups, times, maxOf) {
    return groups.map(({ labels, cells }) => {
      const column = (/** @type {string} */ field) => times.map((time) => cells.get(time)?.[field] ?? null);
      return { labels, n: column("n"), d: column("d"), count: column("count"), max: times.map((time) => (cells.has(time) ? maxOf(labels, time) : null)) };
    });
  }

  /**
   * The greatest n of a bucket: such a value replaces the old one.
   * @param {Record<string, string>} labels
   * @param {number} time
   */
  function maxOf(labels, time) {
    const here = points.filter((point) => point.time === time && point.d > 0 && idOf(point.labels) === idOf(labels));
    return here.length ? Math.max(...here.map(({ n, d }) => n / d)) : null;
  }

  /** @param {number} from @param {number} to */
  function snapshot(from, to) {
    const groups = cellsOf(points, (time) => time >= from);
    const times = timesOf(groups, from, to);
    return { type: "snapshot", cursor: String(points.length), step: STEP, from, to, agg: ["sum", "ratio", "count", "max"], times, series: seriesOf(groups, times, maxOf) };
  }

  /** Everything since a cursor. @param {string} cursor */
  function delta(cursor) {
    const groups = cellsOf(points.slice(Number(cursor)), () => true);
    const times = [...new Set(groups.flatMap(({ cells }) => [...cells.keys()]))].sort((a, b) => a - b);
    return { type: "delta", cursor: String(points.length), times, series: seriesOf(groups, times, maxOf) };
  }

  /** @param {number} from @param {number} to */
  function rollup(from, to) {
    const groups = cellsOf(points, (time) => time >= from && time < to);
    const times = timesOf([], from, to);
    return seriesOf(groups, times, maxOf)
      .map(({ labels, n, d, count, max }) => ({ labels, sum: n, ratio: n.map((n, i) => (n === null || !d[i] ? null : n / d[i])), count, max }))
      .sort((a, b) => total(b.sum) - total(a.sum) || (idOf(a.labels) < idOf(b.labels) ? -1 : 1));
  }

  return { points, snapshot, delta, rollup };
}

/** @param {{ cells: Map<number, any> }[]} groups their steps ahead too @param {number} from @param {number} to */
function timesOf(groups, from, to) {
  const end = Math.max(to, ...groups.flatMap(({ cells }) => [...cells.keys()].map((time) => time + STEP)));
  return Array.from({ length: (end - from) / STEP }, (_, i) => from + i * STEP);
}

/** @param {(number | null)[]} column @returns {number} */
function total(column) {
  return column.reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0);
}
