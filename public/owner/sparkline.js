// @ts-check
/** Points per minute as small bars, and in words for screen readers. `barsOf` is pure. */

import { h } from "../chart/dom.mjs";
import { number, plural } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 180;
const HEIGHT = 36;

/**
 * The outline of all bars, as one path. A value above zero is at least a line high.
 * @param {number[]} values
 */
export function barsOf(values) {
  const top = Math.max(...values, 1);
  const width = WIDTH / Math.max(values.length, 1);
  return values
    .map((value, i) => {
      const height = value === 0 ? 0 : Math.max((value / top) * HEIGHT, 1.5);
      return height === 0 ? "" : `M${round(i * width)} ${HEIGHT}v${round(-height)}h${round(width * 0.72)}v${round(height)}z`;
    })
    .join("");
}

/** @param {number[]} values points per minute, oldest first */
export function paceWords(values) {
  const now = values.at(-1) ?? 0;
  const peak = Math.max(...values, 0);
  return peak === 0 ? "no points in the last hour" : `${plural(now, "point")} in the last minute, at most ${number(peak)} in a minute of the last hour`;
}

/** @param {number[]} values @param {string} [words] for screen readers */
export function sparkline(values, words = paceWords(values)) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const ground = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT + 1}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words);
  ground.setAttribute("d", `M0 ${HEIGHT + 0.5}H${WIDTH}`);
  ground.setAttribute("class", "ground");
  path.setAttribute("d", barsOf(values));
  svg.append(ground, path);
  return svg;
}

/** Takes the place of a sparkline until its numbers come. */
export function sparklineToCome() {
  return h("span", { class: "spark" });
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
