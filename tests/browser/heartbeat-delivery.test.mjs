// @ts-check
/** Whatever happens to page, network and Worker: the points of heartbeat.js arrive, and count once. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, stopClock, useScenes } from "./writing-page.mjs";

/** @import { Scene } from "./writing-page.mjs" */

const scene = useScenes();

/** In the page. @type {any} */
let heartbeat;

/** Far away, so that only leaving sends. */
const PATIENT = { ...QUIET, "flush-interval": "60" };

/** The batches that the page's storage has. @param {import("playwright-core").Page} page */
function kept(page) {
  return page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("heartbeat:")));
}

/** @param {Scene["gateway"]} gateway */
const batchesOf = ({ seen }) => seen.map(({ batch }) => batch);

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  test(
    "a page closed in the middle of a batch loses no point",
    scene(async ({ tag, open, totals }) => {
      const page = await open(tag(PATIENT));
      await page.evaluate(() => {
        for (let i = 0; i < 50; i++) heartbeat.timing(i, { event: "slow" });
        heartbeat.count(7, { event: "click" });
      });
      await page.close();
      await eventually(async () => {
        const { slow, click } = await totals("event");
        assert.deepEqual([slow.count, slow.sum, click.sum], [50, 1225, 7]);
      });
    }),
  );

  test(
    "a page left for another site loses no point",
    scene(async ({ tag, open, totals }) => {
      const page = await open(tag(PATIENT));
      await page.evaluate(() => heartbeat.count(7, { event: "click" }));
      await page.goto("about:blank");
      await eventually(async () => assert.equal((await totals("event")).click?.sum, 7));
    }),
  );

  test(
    "a hidden page sends its points, and later ones too",
    scene(async ({ tag, open, totals }) => {
      const page = await open(tag(PATIENT));
      const hide = () => {
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
      };
      await page.evaluate(() => heartbeat.count(1, { event: "a" }));
      await page.evaluate(hide);
      await eventually(async () => assert.deepEqual(Object.keys(await totals("event")), ["a"]));
      await page.evaluate(() => heartbeat.count(1, { event: "b" }));
      await page.evaluate(hide);
      await eventually(async () => assert.deepEqual(Object.keys(await totals("event")).sort(), ["a", "b"]));
      await eventually(async () => assert.deepEqual(await kept(page), []));
    }),
  );

  test(
    "without fetch keepalive, a closed page sends a beacon",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(`<script>delete Request.prototype.keepalive</script>${tag(PATIENT)}`);
      await page.evaluate(() => heartbeat.count(7, { event: "click" }));
      await page.close();
      await eventually(async () => assert.equal((await totals("event")).click?.sum, 7));
      assert.deepEqual(gateway.seen.map(({ type, mode }) => [type, mode]), [["text/plain;charset=UTF-8", "no-cors"]]);
    }),
  );

  test(
    "a batch whose answer was lost is resent and counts once",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      gateway.set("swallow");
      await page.evaluate(() => heartbeat.count(3, { event: "x" }));
      await eventually(() => assert.ok(gateway.seen.length >= 1));
      gateway.set("pass");
      await eventually(async () => assert.deepEqual(await kept(page), []));
      assert.ok(gateway.seen.length >= 2);
      assert.equal(new Set(batchesOf(gateway)).size, 1);
      assert.equal((await totals("event")).x.sum, 3);
    }),
  );

  test(
    "while writes fail, new points gather in the next batch",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      gateway.set("cut");
      await page.evaluate(() => heartbeat.count(1, { event: "first" }));
      await eventually(() => assert.ok(gateway.seen.length >= 1));
      // Over several flush intervals.
      await page.evaluate(async () => {
        for (let i = 0; i < 10; i++) {
          heartbeat.count(1, { event: "later" });
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      });
      await eventually(() => assert.ok(gateway.seen.length >= 2));
      assert.equal(new Set(batchesOf(gateway)).size, 1);
      gateway.set("pass");
      await eventually(async () => {
        const { first, later } = await totals("event");
        assert.deepEqual([first?.sum, later?.sum], [1, 10]);
      });
      assert.equal(new Set(batchesOf(gateway)).size, 2);
    }),
  );

  test(
    "Retry-After is obeyed, even when the page is left",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      gateway.set({ status: 503, headers: { "Retry-After": "5" } });
      // Until the page has the answer.
      await page.evaluate(() => {
        heartbeat.count(1, { event: "x" });
        return heartbeat.flush();
      });
      assert.equal(gateway.seen.length, 1);
      gateway.set("pass");
      await page.evaluate(() => {
        heartbeat.count(1, { event: "y" });
        heartbeat.flush();
        dispatchEvent(new PageTransitionEvent("pagehide"));
      });
      await eventually(async () => assert.deepEqual(Object.keys(await totals("event")).sort(), ["x", "y"]));
      const [first, second] = gateway.seen;
      assert.ok(second.at_ms - first.at_ms >= 4900, `again after ${second.at_ms - first.at_ms} ms`);
    }),
  );

  test(
    "a 429 is retried",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      gateway.set({ status: 429, headers: {} });
      await page.evaluate(() => heartbeat.count(1, { event: "x" }));
      await eventually(() => assert.ok(gateway.seen.length >= 1));
      gateway.set("pass");
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 1));
    }),
  );

  test(
    "a refused batch is dropped, and the next one is sent",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      // Only the server knows how late is too late.
      await page.evaluate(() => heartbeat.send({ n: 1, t: 1, v: { event: "bad" } }));
      await eventually(() => assert.deepEqual(gateway.seen.map(({ status }) => status), [400]));
      await page.evaluate(() => heartbeat.count(1, { event: "good" }));
      await eventually(async () => assert.equal((await totals("event")).good?.sum, 1));
      await eventually(async () => assert.deepEqual(await kept(page), []));
      assert.deepEqual([gateway.seen.length, await page.evaluate(() => heartbeat.dropped)], [2, 1]);
    }),
  );

  test(
    "a page with a wrong stream tries once and then stops",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag({ ...QUIET, stream: "no-such-stream" }));
      await page.evaluate(() => heartbeat.count(1));
      await eventually(() => assert.deepEqual(gateway.seen.map(({ status }) => status), [404]));
      await page.evaluate(async () => {
        heartbeat.count(2);
        await heartbeat.flush();
      });
      assert.deepEqual([gateway.seen.length, await kept(page)], [1, []]);
    }),
  );

  test(
    "the next page sends a closed page's points once",
    scene(async ({ gateway, tag, open, wait, totals }) => {
      gateway.set("cut");
      const page = await open(tag(QUIET));
      await stopClock(page, Date.now() - 300_000);
      await page.evaluate(() => heartbeat.count(3, { event: "x" }));
      await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
      await eventually(() => assert.equal(gateway.seen.length, 1));
      await page.close();
      gateway.set("pass");
      const next = await open(tag(QUIET));
      await next.clock.fastForward(300_000);
      await eventually(async () => {
        await wait(next);
        assert.equal((await totals("event")).x?.sum, 3);
      });
      await eventually(async () => assert.deepEqual(await kept(next), []));
      const [first, second] = gateway.seen;
      // The first may have arrived; with other bytes, such as a time, it would be another batch to the server.
      assert.deepEqual([gateway.seen.length, second.batch, second.body], [2, first.batch, first.body]);
    }),
  );

  test(
    "tabs deliver each point once, even those of closed tabs",
    scene(async ({ gateway, site, context, tag, totals }) => {
      site.put("/", { html: tag(QUIET) });
      const tabs = await Promise.all(
        Array.from({ length: 4 }, async () => {
          const page = await context.newPage();
          await page.goto(`${site.origin}/`);
          return page;
        }),
      );
      gateway.set("swallow");
      await Promise.all(tabs.map((tab, i) => tab.evaluate((i) => heartbeat.count(10 ** i, { event: "x" }), i)));
      await eventually(() => assert.equal(new Set(batchesOf(gateway)).size, 4));
      await tabs[0].close();
      await tabs[1].close();
      for (const tab of tabs.slice(2)) await tab.evaluate(() => heartbeat.count(1, { event: "y" }));
      gateway.set("pass");
      await eventually(async () => assert.deepEqual(await kept(tabs[2]), []));
      await eventually(async () => assert.equal((await totals("event")).y?.sum, 2));
      assert.equal((await totals("event")).x.sum, 1111);
    }),
  );

  test(
    "a batch of unknown outcome is not resent after nine minutes",
    scene(async ({ gateway, tag, open, wait, totals }) => {
      gateway.set("swallow");
      const page = await open(tag(QUIET));
      await stopClock(page, Date.now() - 600_000);
      await page.evaluate(() => heartbeat.count(1, { event: "old" }));
      await page.clock.runFor(100);
      await eventually(() => assert.ok(gateway.seen.length >= 1));
      await eventually(async () => assert.equal((await kept(page)).length, 1));
      gateway.set("pass");
      const before = gateway.seen.length;
      await page.clock.fastForward("09:30");
      await page.evaluate(() => heartbeat.count(1, { event: "new" }));
      await eventually(async () => {
        await wait(page);
        assert.deepEqual(Object.keys(await totals("event")).sort(), ["new", "old"]);
      });
      await eventually(async () => assert.deepEqual(await kept(page), []));
      assert.ok(!batchesOf(gateway).slice(before).includes(gateway.seen[0].batch));
      assert.equal((await totals("event")).old.sum, 1);
    }),
  );

  test(
    "unsent points are sent hours later with their own time",
    scene(async ({ gateway, context, tag, open, wait, totals }) => {
      const page = await open(tag(QUIET));
      const start_s = Date.now() / 1000 - 3 * 3600;
      await stopClock(page, start_s * 1000);
      await context.setOffline(true);
      await page.evaluate(() => heartbeat.count(5, { event: "offline" }));
      await page.clock.runFor(60_000);
      assert.equal(gateway.seen.length, 0);
      await page.clock.fastForward("02:58:00");
      await context.setOffline(false);
      await eventually(async () => {
        await wait(page);
        assert.equal(gateway.seen.length, 1);
      });
      const [{ t, n }] = gateway.seen[0].points;
      assert.ok(n === 5 && Math.abs(t - start_s) < 5, `${t} is the time of the call`);
      await eventually(() => assert.equal(gateway.seen[0].status, 202));
      assert.deepEqual(await totals("event"), {});
    }),
  );

  test(
    "late points of a fast clock count at their arrival",
    scene(async ({ gateway, context, tag, open, wait, totals }) => {
      const page = await open(tag(QUIET));
      await stopClock(page, Date.now() + 3_600_000);
      await context.setOffline(true);
      await page.evaluate(() => heartbeat.count(5, { event: "late" }));
      await page.clock.runFor(30_000);
      await context.setOffline(false);
      await eventually(async () => {
        await wait(page);
        assert.equal((await totals("event")).late?.sum, 5);
      });
      assert.deepEqual(gateway.seen.map(({ status, points }) => [status, "t" in points[0]]), [[400, true], [202, false]]);
      assert.equal(new Set(batchesOf(gateway)).size, 1);
    }),
  );

  test(
    "the server sets the time of fresh points",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await stopClock(page, Date.parse("2001-01-01"));
      await page.evaluate(() => heartbeat.count(5, { event: "x" }));
      await page.clock.runFor(1000);
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 5));
      assert.ok(!("t" in gateway.seen[0].points[0]));
    }),
  );

  for (const [what, attributes, before] of /** @type {[string, Record<string, string>, string][]} */ ([
    ["the owner wants nothing kept", { keep: "false" }, ""],
    ["storage is blocked", {}, "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"],
    ["storage is full", {}, "for (let size = 1 << 20; size; size >>= 1) try { for (;;) localStorage['x' + Math.random()] = 'x'.repeat(size); } catch {}"],
  ])) {
    test(
      `where ${what}, writes are tried again from memory`,
      scene(async ({ gateway, tag, open, totals }) => {
        gateway.set("cut");
        const page = await open(`<script>${before}</script>${tag({ ...QUIET, ...attributes })}`);
        await page.evaluate(() => heartbeat.count(3, { event: "x" }));
        await eventually(() => assert.ok(gateway.seen.length >= 1));
        if (what.startsWith("the owner")) assert.deepEqual(await kept(page), []);
        gateway.set("pass");
        await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
        assert.equal(new Set(batchesOf(gateway)).size, 1);
      }),
    );
  }

  test(
    "foreign entries in storage under our name block nothing",
    scene(async ({ stream, tag, open, totals }) => {
      const left = { id: "z", points: [{ n: 5, d: 1, v: { event: "left" }, at_s: Date.now() / 1000 }], until_s: Date.now(), held_s: 0 };
      const odd = Object.entries({ w: "{not json", x: "null", y: "{}", z: JSON.stringify(left) });
      const lines = odd.map(([id, text]) => `localStorage["heartbeat:${stream.id}:${id}"] = ${JSON.stringify(text)};`);
      const page = await open(`<script>${lines.join("")}</script>${tag(QUIET)}`);
      await page.evaluate(() => heartbeat.count(3, { event: "x" }));
      await eventually(async () => {
        const { x, left } = await totals("event");
        assert.deepEqual([x?.sum, left?.sum], [3, 5]);
      });
    }),
  );

  test(
    "bodies are small enough to be sent from closing pages",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      await page.evaluate(() => {
        for (let i = 0; i < 1000; i++) heartbeat.timing(Math.PI * i, { event: "long", text: "ü".repeat(i % 100) });
      });
      await eventually(async () => assert.equal((await totals("event")).long?.count, 1000));
      const sizes = gateway.seen.map(({ body }) => Buffer.byteLength(body));
      assert.ok(Math.max(...sizes) <= 32_000, `${sizes}`);
    }),
  );

  test(
    "memory and storage are bounded while nothing can be sent",
    scene(async ({ gateway, tag, open }) => {
      gateway.set("cut");
      const page = await open(tag(QUIET));
      await page.evaluate(() => {
        for (let i = 0; i < 20_000; i++) heartbeat.timing(i, { event: "flood", i });
        dispatchEvent(new PageTransitionEvent("pagehide"));
      });
      const sizes = () => page.evaluate(() => Object.values(localStorage).map((text) => text.length));
      const first = await sizes();
      assert.ok(first.length === 10 && first.every((size) => size < 31_000), `${first}`);
      await page.reload();
      await page.evaluate(() => {
        for (let i = 0; i < 20_000; i++) heartbeat.timing(i, { event: "flood", i });
        dispatchEvent(new PageTransitionEvent("pagehide"));
      });
      assert.equal((await sizes()).length, 10);
    }),
  );

  test(
    "in a flood, memory holds ten batches and the next one",
    scene(async ({ gateway, context, tag, open }) => {
      const page = await open(tag({ ...QUIET, keep: "false" }));
      await context.setOffline(true);
      await page.evaluate(() => {
        for (let i = 0; i < 20_000; i++) heartbeat.timing(i, { event: "flood", i });
      });
      await context.setOffline(false);
      await eventually(() => assert.equal(new Set(batchesOf(gateway)).size, 11));
      await page.evaluate(() => heartbeat.flush());
      assert.equal(new Set(batchesOf(gateway)).size, 11);
    }),
  );

  test(
    "the next page immediately sends what closing could not",
    scene(async ({ gateway, tag, open, totals }) => {
      gateway.set({ status: 503, headers: { "Retry-After": "600" } });
      const page = await open(tag(QUIET));
      await page.evaluate(() => heartbeat.count(1, { event: "refused" }));
      await eventually(() => assert.equal(gateway.seen[0]?.status, 503));
      await page.evaluate(() => heartbeat.count(1, { event: "never tried" }));
      await page.goto("about:blank");
      gateway.set("pass");
      const next = await open(tag(QUIET));
      await eventually(async () => {
        const { refused, "never tried": never } = await totals("event");
        assert.deepEqual([refused?.sum, never?.sum], [1, 1]);
      });
      await eventually(async () => assert.deepEqual(await kept(next), []));
    }),
  );
});
