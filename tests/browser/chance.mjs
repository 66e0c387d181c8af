// @ts-check
/** Random numbers that a test can repeat. */

/**
 * Mulberry32: the same numbers in [0, 1) for the same seed.
 * @param {number} seed
 */
export function chance(seed) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  /** A whole number in [least, end). @param {number} least @param {number} end */
  const whole = (least, end) => least + Math.floor(next() * (end - least));
  return { next, whole };
}
