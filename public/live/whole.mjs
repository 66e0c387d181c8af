// @ts-check
/** Finds steps in which sums are whole numbers. Pure. */

import { STEPS_S } from "./step.mjs";

/** With fewer steps a chart shows no course. */
const FEWEST_STEPS = 12;

/**
 * The step in which sums are whole numbers, where there is one. The server spreads a point over the steps of its
 * period, so a count arrives in pieces where steps are narrower. Numbers that are not whole by nature keep their step.
 * @param {{ from: number, step: number, until: number, series: Record<string, any>[] }} view of sums
 */
export function wholeStep({ from, step, until, series }) {
  const columns = series.map(({ sum }) => /** @type {(number | null)[]} */ (sum.slice(0, (until - from) / step)));
  const pieces = columns.flatMap((column) => column.filter((value) => value !== null && !isWhole(value))).length;
  if (pieces === 0) return step;

  /** Whether groups of this width have whole sums, and together most of the pieces. @param {number} width */
  const fits = (width) => {
    const [first, last] = [Math.ceil(from / width) * width, Math.floor(until / width) * width];
    let put = 0;
    for (const column of columns) {
      for (let at = (first - from) / step; at < (last - from) / step; at += width / step) {
        const group = column.slice(at, at + width / step);
        if (!isWhole(group.reduce((sum, value) => Number(sum) + Number(value), 0))) return false;
        put += group.filter((value) => !isWhole(value)).length;
      }
    }
    return put * 2 > pieces;
  };
  return STEPS_S.find((width) => width > step && width % step === 0 && (until - from) / width >= FEWEST_STEPS && fits(width)) ?? step;
}

/** Whether a value is a whole number, but for rounding errors. @param {number | null} value */
function isWhole(value) {
  const number = Number(value);
  return Math.abs(number - Math.round(number)) <= 1e-9 * Math.max(1, Math.abs(number));
}
