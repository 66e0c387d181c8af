// @ts-check
/** Invalid points: they count as dropped, and harm no valid point beside them. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, useScenes } from "./writing-page.mjs";

const scene = useScenes();

/** In the page. @type {any} */
let heartbeat;

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  test(
    "an invalid count is dropped alone, and dropping is counted",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      const dropped = await page.evaluate(() => {
        heartbeat.count(1, { e: "x" });
        for (const bad of [NaN, Infinity, -Infinity, "5", null, 7n, new Date(), {}, [], () => 1, Symbol("s")]) heartbeat.count(bad, { e: "x" });
        for (const bad of [NaN, -1, "1", null, 1n]) heartbeat.ratio(1, bad, { e: "x" });
        for (const bad of [NaN, 0, -1, 86401, "10", null]) heartbeat.send({ n: 1, p: bad, v: { e: "x" } });
        heartbeat.timing(undefined, { e: "x" });
        heartbeat.send(null);
        heartbeat.send("text");
        return heartbeat.dropped;
      });
      assert.equal(dropped, 11 + 5 + 6 + 3);
      await eventually(async () => assert.deepEqual([(await totals("e")).x?.sum, (await totals("e")).x?.count], [1, 1]));
      assert.deepEqual(gateway.seen.map(({ status }) => status), [202]);
      assert.deepEqual(gateway.points(), [{ n: 1, d: 1, v: { e: "x" } }]);
    }),
  );

  test(
    "sums that would be too large are sent separately",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag(QUIET));
      const dropped = await page.evaluate(() => {
        for (let i = 0; i < 3; i++) heartbeat.count(1e308, { e: "n" });
        for (let i = 0; i < 2; i++) heartbeat.ratio(1, 1.5e308, { e: "d" });
        heartbeat.count(2, { e: "small" });
        return heartbeat.dropped;
      });
      await eventually(() => assert.deepEqual(gateway.seen.map(({ status }) => status), [202]));
      const sent = gateway.points().map(({ n, d, v }) => `${v.e} ${n} ${d}`);
      assert.deepEqual([dropped, sent.sort()], [0, ["d 1 1.5e+308", "d 1 1.5e+308", "n 1e+308 1", "n 1e+308 1", "n 1e+308 1", "small 2 1"]]);
    }),
  );

  test(
    "invalid labels are left out, and too many drop the point",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag({ ...QUIET, labels: '{"site":"blog"}' }));
      const dropped = await page.evaluate(() => {
        heartbeat.count(1, { e: "mended", nested: { a: 1 }, list: [1], f() {}, nothing: null, "": "x", number: 7, big: 7n, is: false });
        heartbeat.count(2, Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, "x"])));
        heartbeat.count(3, { e: "getter", get bad() { throw new Error("private"); } });
        heartbeat.count(4, "text");
        heartbeat.count(5, 7);
        heartbeat.pageView("text");
        heartbeat.exception(new Error("x"), "text");
        heartbeat.count(6, JSON.parse('{"__proto__":"own","e":"last"}'));
        return heartbeat.dropped;
      });
      assert.equal(dropped, 6);
      await eventually(() => assert.deepEqual(gateway.seen.map(({ status }) => status), [202]));
      assert.equal(gateway.seen[0].body, '[{"n":1,"d":1,"v":{"big":"7","e":"mended","is":"false","number":"7","site":"blog"}},{"n":6,"d":1,"v":{"__proto__":"own","e":"last","site":"blog"}}]');
    }),
  );

  test(
    "invalid points from beforeSend are dropped and counted",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      const dropped = await page.evaluate(() => {
        const with_ = (/** @type {any} */ options) => {
          heartbeat.init({ labels: undefined, beforeSend: undefined, ...options });
          heartbeat.count(1, { e: "bad" });
        };
        with_({ labels: () => { throw new Error("labels"); } });
        with_({ labels: () => "text" });
        for (const made of [7, "text", {}, { n: NaN, v: {} }, { n: 1 }, { n: 1, v: "text" }]) with_({ beforeSend: () => made });
        with_({ beforeSend: () => { throw new Error("beforeSend"); } });
        for (const made of [null, undefined, false]) with_({ beforeSend: () => made });
        heartbeat.init({ beforeSend: undefined });
        heartbeat.count(1, { e: "good" });
        return heartbeat.dropped;
      });
      assert.equal(dropped, 9);
      await eventually(async () => assert.equal((await totals("e")).good?.sum, 1));
      assert.deepEqual(gateway.points().map(({ v }) => v.e), ["good"]);
    }),
  );

  test(
    "each point of a flood is sent or counted as dropped",
    scene(async ({ gateway, context, tag, open }) => {
      const page = await open(tag({ ...QUIET, keep: "false" }));
      await context.setOffline(true);
      await page.evaluate(() => {
        for (let i = 0; i < 8000; i++) heartbeat.timing(i, { event: "flood", i });
      });
      await context.setOffline(false);
      await eventually(async () => {
        await page.evaluate(() => heartbeat.flush());
        assert.equal(gateway.points().length + (await page.evaluate(() => heartbeat.dropped)), 8000);
      });
      assert.ok((await page.evaluate(() => heartbeat.dropped)) > 0);
    }),
  );

  test(
    "an invalid queued call does not stop the others",
    scene(async ({ tag, open, totals }) => {
      const stub = `<script>window.heartbeat = { q: [["count", 1, { e: "first" }], ["nope"], null, ["count", NaN, { e: "bad" }], 7, ["count", 1, { e: "last" }]] };
        (function () { heartbeat.q.push(arguments) })("count", 1, { e: "arguments" });</script>`;
      await open(`${stub}${tag(QUIET)}`);
      await eventually(async () => assert.deepEqual(Object.keys(await totals("e")).sort(), ["arguments", "first", "last"]));
    }),
  );
});
