// @ts-check
/**
 * What follows from an answer. Between page and server there are proxies, captive portals and service workers, which answer
 * 200 with a page of theirs: only the server's own 202 acknowledges. What neither acknowledges nor refuses may pass and is
 * tried again. Nothing here touches the page.
 */

/** Whether this batch would be refused again. @param {any} status */
export const isRefusal = (status) => /^4(?!08|2[59])/.test(status);

/** Whether every other batch would be refused too: the stream is not there, or this page may not write to it. @param {any} status */
export const isFinal = (status) => /^4(0[134]|10)/.test(status);

/** Seconds from now, of a date too; 0 where nothing is said. @param {any} retryAfter @param {number} now_s */
export const waitOf = (retryAfter, now_s) => {
  // A clock may be wrong by years.
  const MAX_WAIT_S = 3600;
  return Math.min(+retryAfter || Date.parse(retryAfter) / 1000 - now_s || 0, MAX_WAIT_S);
};
