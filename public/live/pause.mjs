// @ts-check
/** The pause before a reader tries again. Pure: chance is an argument. */

/** The first pause after a failure, and the longest: a reader notices a recovery within a minute. */
const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/**
 * The pause before the next try: it doubles with each failure in a row, and is spread so that readers don't return in
 * step.
 * @param {number} failures in a row; 0 after a connection that worked: a server that restarts gets its readers back
 *   spread over a second
 * @param {number} chance in [0, 1)
 */
export function pause_ms(failures, chance) {
  if (failures === 0) return chance * FIRST_MS;
  return Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS) * (0.75 + chance / 2);
}
