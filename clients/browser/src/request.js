// @ts-check
/**
 * The one place that sends. Pages replace `fetch`: tracers add headers, mocks throw or forget to return, some wrap the body. So
 * where it is not the browser's own, that of a frame is taken.
 */

import { attempt } from "./attempt.js";

/** @type {typeof fetch | undefined} */
let untouched;

/**
 * Never rejects; what has no status is no answer.
 * @param {string} url
 * @param {string} body
 * @param {boolean} [leaving] the page may be gone before the answer
 * @returns {Promise<Partial<Response> | undefined>}
 */
export const request = async (url, body, leaving) => {
  const TIMEOUT_MS = 30000;
  try {
    const isNative = /native code/.test(/** @type {any} */ (window.fetch));
    // Firefox has keepalive since 133 (2024), and a frame's fetch ends with the page. A beacon has no answer.
    if (leaving && !(isNative && "keepalive" in Request.prototype)) throw navigator.sendBeacon(url, body);
    return await ((!isNative && attempt(own)) || fetch).call(window, url, {
      method: "POST",
      body,
      keepalive: true,
      credentials: "omit",
      signal: AbortSignal.timeout?.(TIMEOUT_MS),
    });
  } catch {}
};

/** It keeps working without the frame. In a sandboxed page it is out of reach, as frames are strangers there. */
const own = () => {
  if (!untouched) {
    const frame = document.createElement("iframe");
    document.head.append(frame);
    untouched = /** @type {any} */ (frame.contentWindow).fetch;
    frame.remove();
  }
  return untouched;
};
