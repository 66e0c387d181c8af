// @ts-check
/**
 * The owner token: in memory, and gone with the page. Only where the owner chose so, also in this tab's sessionStorage,
 * which a reload keeps and the end of the tab deletes.
 */

const NAME = "heartbeat.owner-token";

/** @param {() => Storage} storage may throw, where the browser has none for us */
export function createToken(storage) {
  let token = kept() ?? "";

  function kept() {
    try {
      return storage().getItem(NAME);
    } catch {
      return null;
    }
  }

  /** @param {string} next @param {boolean} isKept also over a reload of this tab */
  function set(next, isKept) {
    token = next;
    try {
      if (isKept) storage().setItem(NAME, next);
      else storage().removeItem(NAME);
    } catch {
      // It is in memory all the same.
    }
  }

  return { set, forget: () => set("", false), get value() { return token; } };
}
