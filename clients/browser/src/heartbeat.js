// @ts-check
/**
 * Heartbeat for pages: the global `heartbeat`, and how it starts. docs/browser.md is its manual;
 * tools/build-browser.mjs bundles it into public/heartbeat.js; delivery.js explains the delivery protocol.
 *
 * The script lives in pages that replace globals and prototypes. So it uses no iterator of an array (old libraries
 * bring their own), trusts no prototype to be empty, and expects whatever may throw to throw.
 */

import { add } from "./add.js";
import { attempt } from "./attempt.js";
import { exception, pageView, startAutomatic } from "./automatic.js";
import { cut, dropped, startDelivery, url, work } from "./delivery.js";
import { options } from "./options.js";

/** What the page has put there before the script loaded: options, and calls in `q`. @type {any} */
const stub = /** @type {any} */ (window).heartbeat || {};

/** Sets options, and starts once there is a stream. @param {any} given options */
const init = (given) =>
  attempt(() => {
    Object.assign(options, given);
    if (url || !options.stream || (options.doNotTrack && /** @type {any} */ (navigator.doNotTrack) > 0)) return;
    startDelivery();
    startAutomatic();
  }, true);

/**
 * Times a function; of one that returns a promise, until it settles. Result and error are the function's own.
 * @param {Function} run
 * @param {any} v labels
 */
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

/** A clock that does not jump; Date where a page has taken `performance` away. */
const clock_ms = () => (window.performance || Date).now();

/** The options in the attributes of our tag. A module has no tag: `document.currentScript` is null there. */
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

// A page may load the script twice: the first one stays.
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
