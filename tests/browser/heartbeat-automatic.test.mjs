// @ts-check
/** The automatic reports of heartbeat.js: errors, rejections, presence, page views; each can be switched off. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, stopClock, useScenes } from "./writing-page.mjs";

/** @import { Scene } from "./writing-page.mjs" */

const scene = useScenes();
const EXCEPTIONS = { ...QUIET, exceptions: "true" };

/** In the page. @type {any} */
let heartbeat;

/** n by labels, of all that a gateway has seen. @param {Scene["gateway"]} gateway @param {(v: any) => string} key */
function sums(gateway, key) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const { n, v } of gateway.points()) sums[key(v)] = (sums[key(v)] ?? 0) + n;
  return sums;
}

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  test(
    "unhandled errors and rejections also reach page handlers",
    scene(
      async ({ gateway, tag, open, totals }) => {
        const own = `<script>
          window.had = [];
          window.onerror = (message) => { had.push("onerror " + message); };
          window.onunhandledrejection = ({ reason }) => { had.push("onunhandledrejection " + reason.message); };
        </script>`;
        const page = await open(`${own}${tag(EXCEPTIONS)}`);
        await page.evaluate(() => {
          setTimeout(() => { throw new TypeError("cannot read 42 of https://a.example/x?token=secret#part now"); });
          Promise.reject(new RangeError("rejected"));
          Promise.reject("only text");
          setTimeout(() => { throw "thrown text"; });
        });
        await eventually(async () => {
          const { client } = await totals("source");
          assert.equal(client?.sum, 4);
        });
        assert.deepEqual(sums(gateway, (v) => `${v.exception}: ${v.message}`), {
          "TypeError: cannot read 0 of https://a.example/x now": 1,
          "RangeError: rejected": 1,
          "Error: only text": 1,
          "Error: thrown text": 1,
        });
        const had = await page.evaluate(() => /** @type {any} */ (window).had.sort());
        assert.deepEqual(had.map((/** @type {string} */ text) => text.split(" ")[0]), ["onerror", "onerror", "onunhandledrejection", "onunhandledrejection"]);
      },
      { hasErrors: true },
    ),
  );

  test(
    "equal exceptions are one point, and a budget bounds others",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag({ ...EXCEPTIONS, "exception-budget": "3" }));
      await page.evaluate(() => {
        for (let i = 0; i < 100; i++) heartbeat.exception(new Error(`item ${i} of page ${i}`));
        for (const word of ["one", "two", "three", "four"]) heartbeat.exception(new Error(word), { component: "list" });
        heartbeat.exception(new Error("one"), { component: "list" });
      });
      await eventually(() => {
        assert.deepEqual(sums(gateway, (v) => `${v.component ?? ""} ${v.message}`), { " item 0 of page 0": 100, "list one": 2, "list two": 1 });
      });
      assert.equal(gateway.points().length, 3);
    }),
  );

  test(
    "an exception's message has no ids, queries or line breaks",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag(EXCEPTIONS));
      await page.evaluate(() => {
        heartbeat.exception(new Error("no user 5f3a9c00-1d2e-4b3c-8a9f-0123456789ab at\n/api?email=a@b.example#top, 3 tries"));
        heartbeat.exception(new Error("x ".repeat(1e6)));
        heartbeat.exception({ name: "N".repeat(500), message: "odd" });
        heartbeat.exception(null);
      });
      await eventually(() => {
        assert.deepEqual(Object.keys(sums(gateway, (v) => v.message)).sort(), ["no user 0 at /api 0 tries", "null", "odd", "x ".repeat(100)].sort());
      });
      const names = gateway.points().map(({ v }) => v.exception.length);
      assert.equal(Math.max(...names), 256);
    }),
  );

  test(
    "an error of another origin's script counts without a name",
    scene(
      async ({ gateway, site, worker, tag, open }) => {
        site.put("/broken.js", { script: "throw new Error('private');" });
        const elsewhere = site.origin.replace("127.0.0.1", "localhost");
        await open(`${tag(EXCEPTIONS)}<script defer src="${elsewhere}/broken.js"></script>`);
        await eventually(() => assert.deepEqual(sums(gateway, (v) => `${v.exception}: ${v.message}`), { "Error: Script error.": 1 }));
        assert.ok(worker);
      },
      { hasErrors: true },
    ),
  );

  test(
    "visible pages beat every 10 s, and the rate is their number",
    scene(
      async ({ gateway, tag, open }) => {
        const page = await open(`<script>window.heartbeat = { presence: false };</script>${tag({ ...QUIET, presence: "true", distinct: "client_id" })}`);
        // It stays slower than the server's, which refuses points from the future.
        await stopClock(page, Date.now() - 600_000);
        await page.evaluate(() => {
          heartbeat.init({ presence: true });
          dispatchEvent(new Event("visibilitychange"));
        });
        // Each report is under way before the next: a fast clock makes requests time out.
        for (let i = 1; i <= 3; i++) {
          await page.clock.runFor(10_100);
          await eventually(() => assert.equal(gateway.points().length, i));
        }
        await page.clock.runFor(4500);
        await page.evaluate(() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        });
        await eventually(() => assert.equal(gateway.points().length, 4));
        await page.clock.runFor(60_000);
        await page.evaluate(() => heartbeat.flush());
        const points = gateway.points();
        assert.ok(points.every(({ n, p, v }) => n === p && v.event === "presence"), JSON.stringify(points));
        assert.deepEqual(points.map(({ p }) => Math.round(p)), [10, 10, 10, 5]);
        assert.equal(new Set(points.map(({ v }) => v.client_id)).size, 1);
      },
    ),
  );

  test(
    "a tab keeps its id across pages, and the stream counts ids",
    scene(
      async ({ worker, gateway, site, stream, context, tag }) => {
        for (const path of ["/", "/two"]) site.put(path, { html: tag({ ...QUIET, "page-views": "true", distinct: "client_id" }) });
        for (let i = 0; i < 2; i++) {
          const page = await context.newPage();
          for (const path of ["/", "/two"]) {
            await page.goto(`${site.origin}${path}`);
            await page.evaluate(() => heartbeat.flush());
          }
        }
        const viewers = gateway.points().map(({ v }) => [v.client_id, v.path]);
        assert.deepEqual([viewers.length, new Set(viewers.map(([id]) => id)).size], [4, 2]);
        await eventually(async () => {
          const { series } = await worker.rollup(stream, { agg: "distinct:client_id,count", step: "1h", by: "path", from: "-2h" });
          // Each id is once on each path: where an hour ends in between, each hour has one of them.
          const counts = series.map((/** @type {any} */ one) => [one.labels.path, one["distinct:client_id"].reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0)]).sort();
          assert.deepEqual(counts, [["/", 2], ["/two", 2]]);
        });
      },
      { config: { distinct: ["client_id"] } },
    ),
  );

  test(
    "page views count by path, even from the back-forward cache",
    scene(async ({ gateway, site, context, tag }) => {
      site.put("/blog/post", { html: tag({ ...QUIET, "page-views": "true" }) });
      const page = await context.newPage();
      await page.goto(`${site.origin}/blog/post?utm=secret#part`);
      await page.evaluate(() => {
        dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
        dispatchEvent(new Event("visibilitychange"));
        history.pushState({}, "", "/other?x=1");
        heartbeat.pageView({ title: "Other" });
      });
      await eventually(() => {
        assert.deepEqual(sums(gateway, (v) => `${v.event} ${v.path} ${v.title ?? ""}`), { "page_view /blog/post ": 2, "page_view /other Other": 1 });
      });
      assert.ok(!JSON.stringify(gateway.seen).includes("secret"));
    }),
  );

  test(
    "with all automatic points switched off, nothing is sent",
    scene(
      async ({ gateway, tag, open }) => {
        const page = await open(tag(QUIET));
        await page.evaluate(async () => {
          await new Promise((resolve) => {
            addEventListener("error", resolve);
            setTimeout(() => { throw new Error("unseen"); });
          });
          await heartbeat.flush();
          dispatchEvent(new PageTransitionEvent("pagehide"));
        });
        assert.deepEqual(gateway.seen, []);
      },
      { hasErrors: true },
    ),
  );

  for (const [what, attributes, isHeard] of /** @type {[string, Record<string, string>, boolean][]} */ ([
    ["Do-Not-Track is nothing to the writer", {}, true],
    ["Do-Not-Track silences the writer where the owner says so", { "do-not-track": "true" }, false],
  ])) {
    test(
      what,
      scene(async ({ gateway, tag, open }) => {
        const page = await open(
          `<script>Object.defineProperty(navigator, "doNotTrack", { value: "1" })</script>${tag({ ...QUIET, "page-views": "true", ...attributes })}`,
        );
        await page.evaluate(async () => {
          heartbeat.count(1);
          await heartbeat.flush();
        });
        assert.equal(gateway.seen.length > 0, isHeard);
        assert.equal(await page.evaluate(() => localStorage.length), 0);
      }),
    );
  }
});
