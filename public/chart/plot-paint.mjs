// @ts-check
/** Paints bars, and the stripes of steps that are still open; uPlot paints all else. */

/** @import uPlot from "../vendor/uplot/uPlot.esm.min.js" */
/** @import { Chart } from "./lines.mjs" */
/** @import { Look } from "./plot-options.mjs" */

/** Bars that are narrower have no space between them. */
const ROOM_PX = 4;

/** Open steps are striped: the width of a stripe, and its opacity. */
const STRIPE_PX = 3;
const STRIPED = 0.85;

/**
 * Paints bars as rectangles: one path with all of them is much slower. A bar is as wide as its step, and stands in a
 * stack on the bar below it.
 * @param {uPlot} u
 * @param {number} at index of the series
 * @param {string} fill
 * @param {boolean} isStacked
 */
export function paintBars(u, at, fill, isStacked) {
  const [times, column, below] = [u.data[0], u.data[at], isStacked && at > 1 ? u.data[at - 1] : null];
  const step = times[1] - times[0] || 1;
  const { ctx, bbox } = u;
  const x = (/** @type {number} */ time) => Math.min(Math.max(Math.round(u.valToPos(time, "x", true)), bbox.left), bbox.left + bbox.width);
  const y = (/** @type {number} */ value) => Math.round(u.valToPos(value, "y", true));
  const room = u.valToPos(times[0] + step, "x") - u.valToPos(times[0], "x") >= ROOM_PX ? devicePixelRatio : 0;
  ctx.fillStyle = fill;
  ctx.globalAlpha = /** @type {any} */ (u.series[at]).alpha ?? 1;
  for (let i = 0; i < times.length; i++) {
    const [value, base] = [column[i], below?.[i] ?? 0];
    const [left, right] = [x(times[i]), x(times[i] + step)];
    if (value == null || value === base || right <= left) continue;
    ctx.fillRect(left, y(value), Math.max(right - left - room, 1), y(base) - y(value));
  }
  ctx.globalAlpha = 1;
  return null;
}

/**
 * Covers steps that are still open with stripes of the ground's colour: lines look dashed, areas and bars striped.
 * @param {uPlot} u
 * @param {Chart} chart
 * @param {Look} look
 */
export function paintStripes({ ctx, bbox, valToPos }, { times, to, step, complete }, { kind, theme }) {
  if (complete === times.length) return;
  // A line begins at the step before.
  const from = times[complete] - (kind === "bars" ? 0 : step);
  const [left, right] = [from, to].map((time) => Math.min(Math.max(valToPos(time, "x", true), bbox.left), bbox.left + bbox.width));
  const width = STRIPE_PX * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.beginPath();
  for (let x = left - bbox.height; x < right; x += 2.8 * width) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.strokeStyle = theme.ground;
  ctx.globalAlpha = STRIPED;
  ctx.lineWidth = width;
  ctx.stroke();
  ctx.restore();
}
