// @ts-check
/**
 * The owner token: in memory, and gone with the page. If the owner chooses so, it is also in the tab's sessionStorage,
 * which survives a reload and ends with the tab.
 */

const NAME = "heartbeat.owner-token";

/** @param {() => Storage} storage may throw, where the browser denies it */
export function createToken(storage) {
  let token = kept() ?? "";

  function kept() {
    try {
      return storage().getItem(NAME);
    } catch {
      return null;
    }
  }

  /** @param {string} next @param {boolean} isKept whether it should survive a reload */
  function set(next, isKept) {
    token = next;
    try {
      if (isKept) storage().setItem(NAME, next);
      else storage().removeItem(NAME);
    } catch {
      // The token is in memory anyway.
    }
  }

  return { set, forget: () => set("", false), get value() { return token; } };
}
