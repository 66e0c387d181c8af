// @ts-check
/**
 * Heartbeat for pages: what a page sees, and how it starts. docs/browser.md says what it does; tools/build-browser.mjs makes
 * public/heartbeat.js of it. Pages replace globals and prototypes; so no iterator of an array is asked here (old libraries
 * have their own), no prototype is believed to be empty, and what throws is expected to.
 */

import { add } from "./add.js";
import { attempt } from "./attempt.js";
import { exception, pageView, startAutomatic } from "./automatic.js";
import { cut, dropped, startDelivery, url, work } from "./delivery.js";
import { options } from "./options.js";

/** @type {any} what a page has put there before the script came */
const stub = /** @type {any} */ (window).heartbeat || {};

/** @param {any} given */
const init = (given) =>
  attempt(() => {
    Object.assign(options, given);
    if (url || !options.stream || (options.doNotTrack && /** @type {any} */ (navigator.doNotTrack) > 0)) return;
    startDelivery();
    startAutomatic();
  }, true);

/** @param {Function} run @param {any} v */
const time = (run, v) => {
  const start_ms = clock_ms();
  const done = () => add({ n: clock_ms() - start_ms, v });
  let result;
  try {
    return (result = run())?.finally?.(done) ?? result;
  } finally {
    result?.finally || done();
  }
};

const clock_ms = () => (window.performance || Date).now();

/** The attributes of our tag. */
const attributes = () => {
  const { src: endpoint, dataset = {} } = /** @type {any} */ (document.currentScript) || {};
  /** @type {any} */
  const given = { endpoint };
  Object.keys(dataset).forEach((name) => {
    const text = dataset[name];
    given[name] = /^({|false$)/.test(text) ? attempt(() => JSON.parse(text), true) : text || true;
  });
  return given;
};

if (!stub.flush) {
  /** @type {any} */
  const heartbeat = {
    init,
    count: (/** @type {any} */ n = 1, /** @type {any} */ v) => add({ n, v }, true),
    ratio: (/** @type {any} */ n, /** @type {any} */ d, /** @type {any} */ v) => add({ n, d, v }, true),
    timing: (/** @type {any} */ n, /** @type {any} */ v) => add({ n, v }),
    send: (/** @type {any} */ point) => add(point),
    time,
    exception,
    pageView,
    flush() {
      cut();
      return work();
    },
    get dropped() {
      return dropped;
    },
  };
  /** @type {any} */ (window).heartbeat = heartbeat;
  init({ ...attributes(), ...stub });
  attempt(() => stub.q.forEach((/** @type {any} */ call) => attempt(() => heartbeat[call[0]](call[1], call[2], call[3]), true)));
}
