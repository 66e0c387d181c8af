// @ts-check
/**
 * The colours of series: eight, found by search. Each has a contrast of at least 3:1 with the chart's ground, and any
 * two of them differ, even for people who see no red, no green or no blue (a test simulates that). Further series have
 * the same colours again, lighter or darker, with other dashes. Pure.
 */

export const LIGHT = ["#1d3bcf", "#d23107", "#01a67f", "#cc8619", "#b260e5", "#8a0181", "#9d1014", "#3e7f57"];
export const DARK = ["#707ee9", "#d5572c", "#49eeba", "#d4a414", "#d8a0fd", "#be60a0", "#f37e8e", "#c9d955"];
export const SLOTS = LIGHT.length;

/** The dashes of the first eight series, the next eight and so on, in CSS pixels. */
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

/** How far the colours of each eight go towards that of the text (above 0) or of the ground (below 0). */
const TINTS = [0, 0.4, -0.35, 0.2];

/** The slot of the folded rest. */
export const OTHER = -1;

/**
 * @param {number} slot
 * @param {string[]} colours of the theme, #rrggbb: one per slot, then those of the rest, of the text and of the ground
 * @returns {{ colour: string, dash: number[] }}
 */
export function strokeOf(slot, colours) {
  if (slot === OTHER) return { colour: colours[SLOTS], dash: [4, 4] };
  const turn = Math.floor(slot / SLOTS) % DASHES.length;
  const tint = TINTS[turn];
  const towards = tint > 0 ? colours[SLOTS + 1] : colours[SLOTS + 2];
  return { colour: mix(colours[slot % SLOTS], towards, Math.abs(tint)), dash: DASHES[turn] };
}

/**
 * @param {string} a #rrggbb
 * @param {string} b #rrggbb
 * @param {number} share of b
 */
export function mix(a, b, share) {
  if (share === 0 || !isHex(a) || !isHex(b)) return a;
  const channel = (/** @type {number} */ at) => {
    const [from, to] = [a, b].map((hex) => parseInt(hex.slice(at, at + 2), 16));
    return Math.round(from + (to - from) * share).toString(16).padStart(2, "0");
  };
  return `#${channel(1)}${channel(3)}${channel(5)}`;
}

/** @param {string} text */
function isHex(text) {
  return /^#[0-9a-f]{6}$/i.test(text);
}
