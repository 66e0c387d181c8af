/** heartbeat.js as a module: there is one writer per page, whichever way it comes. See docs/browser.md. MIT. */

import "./heartbeat.js";

const { heartbeat } = globalThis;
heartbeat.init({ endpoint: import.meta.url });

export default heartbeat;
export const { init, count, ratio, timing, time, send, exception, pageView, flush } = heartbeat;
