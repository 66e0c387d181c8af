// @ts-check
/** Pages of other origins write to a stream, from a real browser and without a credential. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Worker } from "./worker.mjs" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
const site = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><title>A site</title>"));

before(async () => {
  await once(site.listen(0, "127.0.0.1"), "listening");
  worker = await startWorker();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
  site.close();
});

/**
 * A page of another origin runs `write` with the address to post to; then the stream has `points`.
 * @param {string} name
 * @param {(url: string) => unknown} write runs in the page
 * @param {{ answer: unknown, points: number }} expected
 */
function otherOrigin(name, write, { answer, points }) {
  test(name, async () => {
    const stream = await worker.createStream();
    const visitor = await visit(browser);
    try {
      const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
      await visitor.page.goto(`http://127.0.0.1:${port}/`);
      assert.deepEqual(await visitor.page.evaluate(write, `${worker.origin}/v1/streams/${stream.id}/points`), answer);
      await eventually(async () => assert.equal(await worker.count(stream), points));
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  });
}

otherOrigin(
  "a simple request with text/plain is counted, and its answer can be read",
  async (url) => {
    const response = await fetch(url, { method: "POST", credentials: "omit", body: '{"n":1}' });
    return [response.status, (await response.json()).accepted];
  },
  { answer: [202, 1], points: 1 },
);

otherOrigin(
  "application/json with an idempotency key passes the preflight, and a repetition counts once",
  async (url) => {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": "one-and-the-same" };
    const send = () => fetch(url, { method: "POST", credentials: "omit", headers, body: '[{"n":1},{"n":2}]' });
    await send();
    const response = await send();
    return [response.status, (await response.json()).accepted];
  },
  { answer: [202, 2], points: 2 },
);

otherOrigin(
  "a beacon is counted",
  (url) => navigator.sendBeacon(url, '{"n":1,"v":{"page":"/"}}'),
  { answer: true, points: 1 },
);

otherOrigin(
  "a refused point can be read by the page that sent it",
  async (url) => {
    const response = await fetch(url, { method: "POST", credentials: "omit", body: '{"value":1}' });
    const { errors } = await response.json();
    return [response.status, errors.length, errors[0].index];
  },
  { answer: [400, 1, 0], points: 0 },
);
