// @ts-check
/** How heartbeat.js handles each answer: temporary ones are tried again, and a refusal harms no later batch. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, stopClock, useScenes } from "./writing-page.mjs";

const scene = useScenes();

/** In the page. @type {any} */
let heartbeat;

/** The batches that the page's storage has. @param {import("playwright-core").Page} page */
function kept(page) {
  return page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("heartbeat:")));
}

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  for (const [status, headers] of /** @type {[number, Record<string, string>][]} */ ([
    [408, {}],
    [425, {}],
    [429, { "Retry-After": "1" }],
    [500, {}],
    [503, { "Retry-After": new Date(Date.now() - 60_000).toUTCString() }],
    [504, {}],
    // A captive portal, an offline page of a service worker.
    [200, { "Content-Type": "text/html" }],
    [204, {}],
    [302, { Location: "https://localhost:1/login" }],
  ])) {
    test(
      `after ${status} a batch is sent again under the same id, and counts once`,
      scene(async ({ gateway, tag, open, totals }) => {
        const page = await open(tag(QUIET));
        gateway.set({ status, headers });
        await page.evaluate(() => heartbeat.count(3, { event: "x" }));
        await eventually(() => assert.ok(gateway.seen.length >= 1));
        gateway.set("pass");
        await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
        await eventually(async () => assert.deepEqual(await kept(page), []));
        assert.deepEqual([new Set(gateway.seen.map(({ batch }) => batch)).size, await page.evaluate(() => heartbeat.dropped)], [1, 0]);
      }, { hasErrors: status === 302 }),
    );
  }

  for (const status of [400, 405, 413, 415, 422]) {
    test(
      `${status} costs the batch and no other one`,
      scene(async ({ gateway, tag, open, totals }) => {
        const page = await open(tag(QUIET));
        gateway.set({ status, headers: {} });
        await page.evaluate(() => heartbeat.timing(3, { event: "x" }));
        await eventually(async () => assert.equal(await page.evaluate(() => heartbeat.dropped), 1));
        gateway.set("pass");
        await page.evaluate(() => heartbeat.count(1, { event: "y" }));
        await eventually(async () => assert.deepEqual(Object.keys(await totals("event")), ["y"]));
        await eventually(async () => assert.deepEqual([gateway.seen.length, await kept(page)], [2, []]));
      }),
    );
  }

  for (const status of [401, 403, 404, 410]) {
    test(
      `${status} is the last request of a page, and what comes later is counted as dropped`,
      scene(async ({ gateway, tag, open }) => {
        const page = await open(tag(QUIET));
        gateway.set({ status, headers: {} });
        await page.evaluate(() => heartbeat.count(1, { event: "x" }));
        await eventually(async () => assert.equal(await page.evaluate(() => heartbeat.dropped), 1));
        gateway.set("pass");
        const dropped = await page.evaluate(async () => {
          heartbeat.count(1, { event: "y" });
          await heartbeat.flush();
          return heartbeat.dropped;
        });
        assert.deepEqual([gateway.seen.length, dropped, await kept(page)], [1, 2, []]);
      }),
    );
  }

  test(
    "a Retry-After with a date is obeyed",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      // Whole seconds: at least four from now.
      const date = new Date(Date.now() + 5000).toUTCString();
      gateway.set({ status: 503, headers: { "Retry-After": date } });
      await page.evaluate(() => {
        heartbeat.count(1, { event: "x" });
        return heartbeat.flush();
      });
      gateway.set("pass");
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 1));
      const early_ms = Date.parse(date) - (performance.timeOrigin + gateway.seen[1].at_ms);
      assert.ok(early_ms < 500, `again ${early_ms} ms before it`);
    }),
  );

  for (const [from, to] of [["true", false], ["false", true]]) {
    test(
      `keep counts once: a page that starts with ${from} and says ${to} while a batch waits loses nothing`,
      scene(async ({ gateway, tag, open, totals }) => {
        const page = await open(tag({ ...QUIET, keep: String(from) }));
        gateway.set({ status: 503, headers: {} });
        await page.evaluate(() => heartbeat.count(3, { event: "x" }));
        await eventually(() => assert.ok(gateway.seen.length >= 1));
        await page.evaluate((keep) => heartbeat.init({ keep }), to);
        assert.equal((await kept(page)).length, from === "true" ? 1 : 0);
        gateway.set("pass");
        await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
        await eventually(async () => assert.deepEqual(await kept(page), []));
        assert.deepEqual([new Set(gateway.seen.map(({ batch }) => batch)).size, await page.evaluate(() => heartbeat.dropped)], [1, 0]);
      }),
    );
  }

  test(
    "storage that breaks while a batch waits loses nothing",
    scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag(QUIET));
      gateway.set({ status: 503, headers: {} });
      await page.evaluate(() => heartbeat.count(3, { event: "x" }));
      await eventually(() => assert.ok(gateway.seen.length >= 1));
      await page.evaluate(() => Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } }));
      gateway.set("pass");
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
    }),
  );

  for (const wait_s of [5, 60, 300]) {
    test(
      `an answer lost ${wait_s} s ago: the same bytes again, counted once`,
      scene(async ({ gateway, tag, open, wait, totals }) => {
        gateway.set("swallow");
        const page = await open(tag(QUIET));
        await stopClock(page, Date.now() - 600_000);
        await page.evaluate(() => heartbeat.count(3, { event: "x" }));
        await page.clock.runFor(100);
        await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
        gateway.set("pass");
        await page.clock.fastForward(wait_s * 1000);
        await eventually(async () => {
          await wait(page);
          assert.deepEqual(await kept(page), []);
        });
        // With other bytes it would be another batch to the server.
        assert.deepEqual([gateway.seen.length >= 2, new Set(gateway.seen.map(({ batch, body }) => `${batch} ${body}`)).size], [true, 1]);
        assert.equal((await totals("event")).x.sum, 3);
      }),
    );
  }

  test(
    "an invalid batch in storage blocks no other batch",
    scene(async ({ stream, tag, open, totals }) => {
      const odd = ['"[{}]"', "[]", '[null]', '[{"n":null,"at_s":1}]', "7"].map((points, i) => `localStorage["heartbeat:${stream.id}:${i}"] = ${JSON.stringify(`{"id":"${i}","points":${points},"until_s":9e9,"held_s":0}`)};`);
      const page = await open(`<script>${odd.join("")}</script>${tag(QUIET)}`);
      await page.evaluate(async () => {
        await heartbeat.flush();
        heartbeat.count(3, { event: "x" });
      });
      await eventually(async () => assert.equal((await totals("event")).x?.sum, 3));
      await eventually(async () => assert.deepEqual(await kept(page), []));
    }),
  );
});
