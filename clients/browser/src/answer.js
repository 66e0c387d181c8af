// @ts-check
/**
 * What an answer means for its batch. Proxies, captive portals and service workers stand between page and server, and
 * answer 200 with a page of theirs: so only 202 acknowledges. Every other answer that is not a refusal may be
 * temporary, and the batch goes again. Nothing here touches the page.
 */

/** Whether the server would refuse this batch again: a 4xx other than 408, 425 and 429. @param {any} status */
export const isRefusal = (status) => /^4(?!08|2[59])/.test(status);

/**
 * Whether it would refuse every other batch too: the stream is gone (404, 410), or this page may not write (401, 403).
 * @param {any} status
 */
export const isFinal = (status) => /^4(0[134]|10)/.test(status);

/**
 * The pause that `Retry-After` asks for, in seconds. Scripts see the header only where the server exposes it to them
 * (`Access-Control-Expose-Headers`).
 * @param {any} retryAfter seconds, or a date; 0 where it is absent or neither
 * @param {number} now_s
 */
export const waitOf = (retryAfter, now_s) => {
  // A date counts by the visitor's clock, which may be wrong by years.
  const MAX_WAIT_S = 3600;
  return Math.min(+retryAfter || Date.parse(retryAfter) / 1000 - now_s || 0, MAX_WAIT_S);
};
