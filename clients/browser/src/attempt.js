// @ts-check
/**
 * What may throw in somebody else's page. A sandboxed frame throws where it is asked for its storage (each browser since it
 * has storage), a getter of the page's own object throws when it likes, and pages replace `console` too.
 */

/**
 * What `run` returns; undefined where it throws.
 * @template T
 * @param {() => T} run
 * @param {boolean} [warns] of what it throws
 * @returns {T | undefined}
 */
export const attempt = (run, warns) => {
  try {
    return run();
  } catch (error) {
    if (warns) attempt(() => console.warn(error));
  }
};
