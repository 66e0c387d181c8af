// @ts-check
/**
 * Calls what may throw in somebody else's page. Storage throws in a sandboxed frame, in every browser; getters of the
 * page's objects throw when they like; and pages replace `console` too.
 */

/**
 * The result of `run`; undefined where it throws.
 * @template T
 * @param {() => T} run
 * @param {boolean} [warns] whether an error becomes a warning in the console
 * @returns {T | undefined}
 */
export const attempt = (run, warns) => {
  try {
    return run();
  } catch (error) {
    if (warns) attempt(() => console.warn(error));
  }
};
