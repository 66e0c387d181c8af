// @ts-check
/**
 * The one place that sends. Pages replace `fetch`: tracers add headers, which costs a preflight; mocks throw, or return
 * nothing; some wrap the body. Where it is not the browser's own, the script takes that of a new frame.
 */

import { attempt } from "./attempt.js";

/** The browser's own fetch, from a frame. @type {typeof fetch | undefined} */
let untouched;

/**
 * Posts a body as text/plain, which needs no preflight. Never rejects.
 * @param {string} url
 * @param {string} body
 * @param {boolean} [leaving] whether the page may be gone before the answer
 * @returns {Promise<Partial<Response> | undefined>} without a status where there was no answer
 */
export const request = async (url, body, leaving) => {
  const TIMEOUT_MS = 30000;
  try {
    const isNative = /native code/.test(/** @type {any} */ (window.fetch));
    // Without keepalive a browser aborts the request as the page closes: Firefox has it since 133 (2024), and a frame's
    // fetch does not outlive its page. A beacon does, but nobody learns its answer.
    if (leaving && !(isNative && "keepalive" in Request.prototype)) throw navigator.sendBeacon(url, body);
    return await ((!isNative && attempt(own)) || fetch).call(window, url, {
      method: "POST",
      body,
      keepalive: true,
      credentials: "omit",
      // Chrome before 103, Firefox before 100 and Safari before 16 lack `timeout`, and wait as long as they like.
      signal: AbortSignal.timeout?.(TIMEOUT_MS),
    });
  } catch {}
};

/**
 * A frame's fetch, which works after the frame is removed. Throws in a sandboxed page: its frames are of another
 * origin.
 */
const own = () => {
  if (!untouched) {
    const frame = document.createElement("iframe");
    document.head.append(frame);
    untouched = /** @type {any} */ (frame.contentWindow).fetch;
    frame.remove();
  }
  return untouched;
};
