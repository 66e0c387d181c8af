// @ts-check
/**
 * The colours of series. Eight, found by search: at least 3:1 against the chart's ground, and any two of them apart
 * also for who sees no red, no green or no blue (a test simulates it). What is beyond eight has the same colours
 * again, lighter or darker and with a dash of its own. Pure.
 */

export const LIGHT = ["#1d3bcf", "#d23107", "#01a67f", "#cc8619", "#b260e5", "#8a0181", "#9d1014", "#3e7f57"];
export const DARK = ["#707ee9", "#d5572c", "#49eeba", "#d4a414", "#d8a0fd", "#be60a0", "#f37e8e", "#c9d955"];
export const SLOTS = LIGHT.length;

/** What the first eight, the second eight and so on are drawn with, in CSS pixels. */
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

/** How far towards the text's colour (above 0) or the ground's (below 0) each eight goes. */
const TINTS = [0, 0.4, -0.35, 0.2];

/** The folded rest. */
export const OTHER = -1;

/**
 * @param {number} slot
 * @param {string[]} colours of the theme, #rrggbb: SLOTS, then that of the rest, of the text and of the ground
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
