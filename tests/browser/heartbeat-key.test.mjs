// @ts-check
/**
 * heartbeat.js with a write key, from open pages and closing ones, and after a refusal.
 */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, useScenes } from "./writing-page.mjs";

const scene = useScenes();

/** In the page. @type {any} */
let heartbeat;

const KEY = "wk_pdjv4bq2c7sx3ynr5teu6hgkam";
const TAKES = { status: 202, headers: {} };
/** Only leaving sends. */
const PATIENT = { ...QUIET, "flush-interval": "60" };

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  for (const [what, attributes, before] of /** @type {[string, Record<string, string>, string][]} */ ([
    ["an attribute", { key: KEY }, ""],
    ["an option", {}, `<script>window.heartbeat = { key: "${KEY}" };</script>`],
  ])) {
    test(`a write key that is ${what} is in each address, unpreflighted`, scene(async ({ gateway, tag, open, context }) => {
      const asked = /** @type {string[]} */ ([]);
      context.on("request", (request) => void (request.url().includes("/points") && asked.push(request.method())));
      gateway.set(TAKES);
      const page = await open(before + tag({ ...QUIET, ...attributes }));
      for (let i = 1; i <= 2; i++) {
        await page.evaluate(() => {
          heartbeat.count(1, { event: "x" });
          return heartbeat.flush();
        });
        await eventually(() => assert.equal(gateway.seen.length, i));
      }
      assert.deepEqual(gateway.seen.map(({ key, method, type }) => [key, method, type]), [1, 2].map(() => [KEY, "POST", "text/plain;charset=UTF-8"]));
      assert.equal(new Set(gateway.seen.map(({ batch }) => batch)).size, 2);
      assert.deepEqual([...new Set(asked)], ["POST"]);
    }));
  }

  test("without a write key there is none in the address", scene(async ({ gateway, tag, open }) => {
    const page = await open(tag(QUIET));
    await page.evaluate(() => heartbeat.count(1, { event: "x" }));
    await eventually(() => assert.equal(gateway.seen.length, 1));
    assert.equal(gateway.seen[0].key, null);
  }));

  for (const [how, patch] of [["with keepalive", ""], ["by a beacon", "<script>delete Request.prototype.keepalive;</script>"]]) {
    test(`a page that is closed sends its key ${how}`, scene(async ({ gateway, tag, open }) => {
      gateway.set(TAKES);
      const page = await open(patch + tag({ ...PATIENT, key: KEY }));
      await page.evaluate(() => heartbeat.count(1, { event: "x" }));
      await page.close();
      await eventually(() => assert.equal(gateway.seen.length, 1));
      assert.deepEqual([gateway.seen[0].key, gateway.seen[0].points.length], [KEY, 1]);
    }));
  }

  test("a revoked key is tried once, and its batches are dropped", scene(async ({ gateway, tag, open }) => {
    gateway.set({ status: 401, headers: {} });
    const page = await open(tag({ ...QUIET, key: KEY }));
    const dropped = await page.evaluate(async () => {
      for (const event of ["x", "y", "z"]) {
        heartbeat.count(1, { event });
        await heartbeat.flush();
      }
      return heartbeat.dropped;
    });
    assert.deepEqual([gateway.seen.length, dropped], [1, 3]);
    // The next page would take over batches from the storage of this one.
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
    await page.reload();
    await page.evaluate(() => heartbeat.flush());
    assert.equal(gateway.seen.length, 1);
  }));

  test("the key is never stored, not even while a batch waits", scene(async ({ gateway, tag, open }) => {
    gateway.set({ status: 429, headers: { "Retry-After": "60" } });
    const page = await open(tag({ ...QUIET, key: KEY, distinct: "tab" }));
    await page.evaluate(() => heartbeat.count(1, { event: "x" }));
    await eventually(() => assert.equal(gateway.seen.length, 1));
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.match(stored, /heartbeat:/);
    assert.ok(!stored.includes(KEY));
  }));
});
