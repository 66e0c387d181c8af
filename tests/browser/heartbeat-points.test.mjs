// @ts-check
/** Points from heartbeat.js, and the stream that they reach. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, useScenes } from "./writing-page.mjs";

const scene = useScenes();

/** In the page. @type {any} */
let heartbeat;

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  test(
    "counts with equal labels arrive as one point with their sum",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => {
        for (let i = 0; i < 5; i++) heartbeat.count(2, { event: "click", place: "top" });
        heartbeat.count(1, { place: "top", event: "click" });
        heartbeat.count(undefined, { event: "signup" });
      });
      await eventually(async () => {
        const { click, signup } = await totals("event");
        assert.deepEqual([click.sum, click.d, signup.sum, signup.d], [11, 6, 1, 1]);
      });
      assert.deepEqual(gateway.seen.map(({ points }) => points.length), [2]);
    }),
  );

  test(
    "a ratio has the sums of its numerators and denominators",
    scene(async ({ tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => {
        heartbeat.ratio(3, 4, { name: "cache" });
        heartbeat.ratio(1, 6, { name: "cache" });
      });
      await eventually(async () => {
        const { sum, d } = (await totals("name")).cache;
        assert.deepEqual([sum, Math.round(d * 1e6) / 1e6], [4, 10]);
      });
    }),
  );

  test(
    "each timing is its own point, so quantiles are exact",
    scene(async ({ worker, stream, tag, open }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => [10, 20, 30, 40, 1000].forEach((ms) => heartbeat.timing(ms, { name: "render" })));
      await eventually(async () => {
        const { series } = await worker.rollup(stream, { agg: "count,p50,max", step: "1h", from: "-2h" });
        const last = (/** @type {string} */ agg) => series[0][agg].findLast((/** @type {any} */ value) => value !== null);
        assert.deepEqual([last("count"), last("max")], [5, 1000]);
        assert.ok(Math.abs(last("p50") - 30) < 0.5, `${last("p50")} is the median`);
      });
    }),
  );

  test(
    "time(fn) measures and changes neither results nor errors",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag(QUIET));
      const seen = await page.evaluate(async () => {
        const pause = () => new Promise((resolve) => setTimeout(resolve, 30, "later"));
        const start_ms = performance.now();
        const sync = heartbeat.time(() => "now", { of: "sync" });
        const middle_ms = performance.now();
        const async = await heartbeat.time(pause, { of: "async" });
        const took_ms = { sync: middle_ms - start_ms, async: performance.now() - middle_ms };
        const failures = [];
        try {
          heartbeat.time(() => { throw new Error("sync"); }, { of: "throws" });
        } catch (error) {
          failures.push(/** @type {Error} */ (error).message);
        }
        await heartbeat.time(() => Promise.reject(new Error("async")), { of: "rejects" }).catch((/** @type {Error} */ error) => failures.push(error.message));
        return { said: { sync, async, failures }, took_ms };
      });
      assert.deepEqual(seen.said, { sync: "now", async: "later", failures: ["sync", "async"] });
      await eventually(() => {
        const points = gateway.seen.flatMap(({ points }) => points);
        const of = Object.fromEntries(points.map(({ n, v }) => [v.of, n]));
        assert.deepEqual(Object.keys(of).sort(), ["async", "rejects", "sync", "throws"]);
        assert.ok(of.sync >= 0 && of.sync <= seen.took_ms.sync && of.async >= 25 && of.async <= seen.took_ms.async, JSON.stringify([of, seen.took_ms]));
      });
    }),
  );

  test(
    "send() sends a point with period and time unchanged",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag({ ...QUIET, labels: '{"site":"blog"}' }));
      const t = Math.floor(Date.now() / 1000) - 60;
      await page.evaluate((t) => heartbeat.send({ n: 6, d: 3, p: 10, t, v: { event: "batch" } }), t);
      await eventually(async () => assert.equal((await totals("event")).batch.sum, 6));
      assert.deepEqual(gateway.seen[0].points, [{ n: 6, d: 3, p: 10, t, v: { event: "batch", site: "blog" } }]);
    }),
  );

  test(
    "writes are simple requests without preflight or cookie",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => heartbeat.count(1, { event: "x" }));
      await eventually(async () => assert.equal((await totals("event")).x.sum, 1));
      assert.deepEqual(gateway.seen.map(({ method, type }) => [method, type]), [["POST", "text/plain;charset=UTF-8"]]);
      assert.match(gateway.seen[0].batch ?? "", /^[\w.-]{20,60}$/);
    }),
  );

  test(
    "calls and options from before the script loads are kept",
    scene(async ({ gateway, tag, open }) => {
      const stub = `<script>
        window.heartbeat = {
          q: [["count", 2, { event: "early" }]],
          labels: () => ({ section: document.title, late: "no" }),
          beforeSend: (point) => (point.v.event == "secret" ? null : { ...point, v: { ...point.v, seen: "yes" } }),
        };
      </script>`;
      const page = await open(`${stub}${tag({ ...QUIET, "page-views": "true" })}`);
      await page.evaluate(() => {
        heartbeat.count(1, { event: "secret" });
        document.title = "Another";
        heartbeat.count(1, { event: "late", late: "yes" });
      });
      await eventually(() => {
        const points = gateway.seen.flatMap(({ points }) => points);
        assert.deepEqual(points.map(({ n, v }) => [n, v]).sort((a, b) => (a[1].event < b[1].event ? -1 : 1)), [
          [2, { event: "early", late: "no", section: "A site", seen: "yes" }],
          [1, { event: "late", late: "yes", section: "Another", seen: "yes" }],
          [1, { event: "page_view", late: "no", path: "/", section: "A site", seen: "yes" }],
        ]);
      });
    }),
  );

  test(
    "sampling sends fewer points and keeps sums and ratios",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag({ ...QUIET, "sample-rate": "0.25" }));
      await page.evaluate(() => {
        // Every fourth call is sampled.
        let call = 0;
        Math.random = () => (call++ % 4) / 4;
        for (let i = 0; i < 8; i++) heartbeat.ratio(3, 2, { name: "r" });
        for (let i = 0; i < 8; i++) heartbeat.timing(50, { name: "t" });
      });
      await eventually(() => {
        const points = gateway.seen.flatMap(({ points }) => points).map(({ n, d, v }) => [v.name, n, d]);
        assert.deepEqual(points, [["r", 24, 16], ["t", 200, 4], ["t", 200, 4]]);
      });
    }),
  );

  test(
    "any label is cut to what the stream accepts",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => {
        const long = "€".repeat(300);
        heartbeat.count(1, { long, [long]: 1, lone: "a\ud800b", control: "a\u0000\n\u0085b", none: null, also: undefined, number: 7 });
      });
      await eventually(async () => assert.deepEqual(Object.keys(await totals("number")), ["7"]));
      const [{ v }] = gateway.seen[0].points;
      assert.deepEqual(v, { long: "€".repeat(85), ["€".repeat(21)]: "1", lone: "a\ufffdb", control: "a   b", number: "7" });
    }),
  );

  test(
    "no argument makes a call throw",
    scene(async ({ tag, open, totals }) => {
      const page = await open(tag(QUIET));
      const thrown = await page.evaluate(() => {
        const odd = [undefined, null, NaN, Infinity, "text", 7n, {}, [], Symbol("s"), () => { throw 1; }, Object.create(null)];
        const calls = ["count", "ratio", "timing", "send", "exception", "pageView"];
        const failures = [];
        for (const name of calls) for (const one of odd) for (const two of odd) {
          try {
            heartbeat[name](one, two);
          } catch (error) {
            failures.push(`${name}: ${error}`);
          }
        }
        heartbeat.init({ labels: () => { throw new Error("labels"); } });
        heartbeat.count(1);
        heartbeat.init({ labels: undefined, beforeSend: () => { throw new Error("beforeSend"); } });
        heartbeat.count(1);
        heartbeat.init({ beforeSend: undefined });
        heartbeat.count(1, { event: "still there" });
        return failures;
      });
      assert.deepEqual(thrown, []);
      await eventually(async () => assert.equal((await totals("event"))["still there"].sum, 1));
    }),
  );

  test(
    "the module has the tag's API and shares its writer",
    scene(async ({ gateway, site, stream, open, totals }) => {
      site.put("/page.js", {
        script: `import heartbeat, { count } from "${gateway.origin}/heartbeat.mjs";
          heartbeat.init({ stream: "${stream.id}", flushInterval: 0.05, presence: false, pageViews: false, labels: { site: "module" } });
          count(3, { event: "import" });
          window.isOne = heartbeat === window.heartbeat;`,
      });
      const page = await open(`<script type="module" src="/page.js"></script>`);
      await eventually(async () => assert.equal((await totals("site")).module?.sum, 3));
      assert.equal(await page.evaluate(() => /** @type {any} */ (window).isOne), true);
    }),
  );

  test(
    "a second tag changes nothing: a page has one writer",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag({ ...QUIET, "page-views": "true" }) + tag({ ...QUIET, "page-views": "true" }));
      await page.evaluate(() => heartbeat.flush());
      assert.deepEqual(gateway.seen.flatMap(({ points }) => points).map(({ n }) => n), [1]);
    }),
  );
});
