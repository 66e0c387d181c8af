// @ts-check
/** Pages that replace globals and prototypes, and frames with less than a page has: points arrive anyway. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, useScenes } from "./writing-page.mjs";

const scene = useScenes();

/** In the page. @type {any} */
let heartbeat;

const PROTOTYPE_JS = `
  Array.prototype.toJSON = function () { return "[" + this.map((one) => JSON.stringify(one)) + "]"; };
  String.prototype.toJSON = function () { return '"' + this + '"'; };
  Object.prototype.toJSON = Date.prototype.toJSON = Number.prototype.toJSON = function () { return "odd"; };`;

/** What pages do to their globals before the script loads. @type {[string, string][]} */
const PATCHES = [
  ["toJSON on every prototype (Prototype.js)", PROTOTYPE_JS],
  ["a JSON.stringify that is theirs", "JSON.stringify = () => { throw new Error('theirs'); };"],
  ["no JSON.stringify (MooTools)", "JSON = { parse: JSON.parse };"],
  ["array iterators that throw", "Array.prototype[Symbol.iterator] = function () { throw new Error('theirs'); };"],
  ["enumerable properties on every prototype", "Object.prototype.each = Array.prototype.each = function () {}; Object.prototype.text = 'odd';"],
  ["an Array.prototype.reduce, an Object.keys and an Object.values of old", "Array.prototype.reduce = function () { return this; }; Object.keys = (o) => { const keys = []; for (const key in o) keys.push(key); return keys; }; Object.values = (o) => Object.keys(o).map((key) => o[key]);"],
  ["frozen prototypes", "for (const one of [Object, Array, String, Function, Promise, Storage, Error]) Object.freeze(one.prototype);"],
  ["globals of their own names", "var Map = 1, Set = 2, URL = '/api', Event = null, CustomEvent = null, Blob = 0, Symbol = undefined;"],
  ["a Promise of theirs", "window.Promise = class extends Promise { then(...all) { return super.then(...all); } };"],
  ["a setTimeout that returns an object, and one timer for all (zone.js)", "const real = setTimeout; window.setTimeout = (...all) => { real(...all); return { type: 'macroTask' }; }; window.clearTimeout = () => {};"],
  ["a fetch that adds a header", "const real = fetch; window.fetch = (url, init) => real(url, { ...init, headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });"],
  ["a fetch that throws", "window.fetch = () => { throw new Error('theirs'); };"],
  ["a fetch that rejects", "window.fetch = async () => { throw new Error('theirs'); };"],
  ["a fetch that returns nothing", "const real = fetch; window.fetch = (...all) => { real(...all); };"],
  ["a fetch that returns the parsed body", "const real = fetch; window.fetch = async (...all) => (await real(...all)).json();"],
  ["a fetch that wraps the body", "const real = fetch; window.fetch = (url, init) => real(url, { ...init, body: JSON.stringify({ data: init.body }) });"],
  ["no fetch", "window.fetch = undefined;"],
  ["an XMLHttpRequest, Request and Headers of theirs", "window.XMLHttpRequest = window.Headers = window.Response = class {};"],
  ["no performance, no crypto, no console", "for (const name of ['performance', 'crypto', 'console']) Object.defineProperty(window, name, { value: undefined });"],
];

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  for (const [what, patch] of PATCHES) {
    test(
      `a page with ${what} is heard, and has what it cannot send now sent later, once`,
      scene(
        async ({ gateway, site, tag, open, totals }) => {
          gateway.set({ status: 503, headers: {} });
          // From a script of the page: Playwright's own scripts need the globals.
          const calls = "heartbeat.count(2, { event: 'x', quoted: '\"\\\\' }); heartbeat.count(NaN, { event: 'x' }); heartbeat.time(() => 1, { event: 't' }); document.title = 'dropped ' + heartbeat.dropped;";
          site.put("/calls.js", { script: calls });
          const page = await open(`<script>${patch}</script>${tag({ ...QUIET, distinct: "tab", "page-views": "true" })}<script defer src="/calls.js"></script>`);
          await eventually(() => assert.ok(gateway.seen.length >= 1));
          gateway.set("pass");
          await eventually(async () => {
            const { x, t, page_view } = await totals("event");
            assert.deepEqual([x?.sum, x?.count, t?.count, page_view?.sum], [2, 1, 1, 1]);
          });
          assert.equal(await page.title(), "dropped 1");
        },
        { hasErrors: true },
      ),
    );
  }

  test(
    "a page that replaces fetch after loading is counted",
    scene(async ({ tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => {
        Object.assign(window, { fetch: () => undefined });
        heartbeat.count(3, { event: "x" });
      });
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
    }),
  );

  test(
    "a closing page is counted even if its fetch throws",
    scene(async ({ tag, open, totals }) => {
      const page = await open(`<script>window.fetch = () => { throw new Error("theirs"); };</script>${tag({ ...QUIET, "flush-interval": "60" })}`);
      await page.evaluate(() => heartbeat.count(3, { event: "x" }));
      await page.close();
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
    }),
  );

  test(
    "the frame that lends fetch is removed without CSP errors",
    scene(async ({ gateway, tag, open, totals }) => {
      const policy = `default-src 'none'; img-src data:; script-src ${gateway.origin} 'unsafe-inline'; connect-src ${gateway.origin}`;
      const page = await open(`<script>const real = fetch; window.fetch = (...all) => real(...all);</script>${tag(QUIET)}`, { "Content-Security-Policy": policy });
      await page.evaluate(() => heartbeat.count(3, { event: "x" }));
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
      assert.equal(await page.locator("iframe").count(), 0);
    }),
  );

  for (const [what, sandbox] of [["without storage", "allow-scripts"], ["with storage", "allow-scripts allow-same-origin"]]) {
    for (const [how, before] of [["", ""], [" whose fetch is patched", "<script>const real = fetch; window.fetch = (...all) => real(...all);</script>"]]) {
      test(
        `a sandboxed frame ${what}${how} has its page views and presence counted, with the id of a tab`,
        scene(async ({ gateway, tag, open }) => {
          const html = `${before}${tag({ ...QUIET, "page-views": "true", presence: "true", distinct: "client_id" })}`.replaceAll('"', "&quot;");
          const page = await open(`<iframe sandbox="${sandbox}" srcdoc="${html}"></iframe>`);
          const frame = () => page.frames()[1];
          await eventually(() => frame().evaluate(() => heartbeat.flush()));
          await eventually(() => assert.equal(gateway.seen.length >= 1, true));
          // Presence is reported at its end.
          await frame().evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
          await eventually(() => {
            const points = gateway.seen.filter(({ status }) => status === 202).flatMap(({ points }) => points);
            assert.deepEqual([...new Set(points.map(({ v }) => v.event))].sort(), ["page_view", "presence"]);
            assert.deepEqual([new Set(points.map(({ v }) => v.client_id)).size, typeof points[0].v.client_id], [1, "string"]);
          });
        }),
      );
    }
  }

  for (const [what, patch] of [
    ["sessionStorage", "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"],
    ["sessionStorage that is full", "for (let size = 1 << 20; size; size >>= 1) try { for (;;) sessionStorage['x' + Math.random()] = 'x'.repeat(size); } catch {}"],
    ["localStorage", "Object.defineProperty(window, 'localStorage', { value: null });"],
    ["localStorage that is full", "for (let size = 1 << 20; size; size >>= 1) try { for (;;) localStorage['x' + Math.random()] = 'x'.repeat(size); } catch {}"],
    ["sendBeacon nor Request", "navigator.sendBeacon = window.Request = undefined;"],
    ["AbortSignal.timeout", "delete AbortSignal.timeout;"],
    ["referrer", "Object.defineProperty(document, 'referrer', { get() { throw new Error('theirs'); } });"],
  ]) {
    test(
      `where there is no ${what}, an optional label costs no point`,
      scene(async ({ gateway, tag, open }) => {
        const page = await open(`<script>${patch}</script>${tag({ ...QUIET, "page-views": "true", distinct: "client_id" })}`);
        await page.evaluate(() => heartbeat.flush());
        await eventually(() => assert.deepEqual(gateway.seen.map(({ status, points }) => [status, points[0].v.event, typeof points[0].v.client_id]), [[202, "page_view", "string"]]));
      }),
    );
  }
});
