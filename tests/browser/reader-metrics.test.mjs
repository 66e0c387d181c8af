// @ts-check
/** The first view of a stream with several metrics; and whole numbers for counts. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { pageOf, scenes, settled, sums, totals } from "./reading.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Stream, Worker } from "./worker.mjs" */
/** @import { Page } from "playwright-core" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Stream} */
let stream;

before(async () => {
  worker = await startWorker();
  browser = await launch();
  stream = await worker.createStream("service");
  const t = Math.floor(Date.now() / 1000) - 600;
  await worker.write(stream, [
    ...[10, 20, 30].map((n, i) => ({ n, t: t + i, v: { metric: "requests", type: "counter" } })),
    { n: 5000.5, d: 60, t, v: { metric: "latency", type: "timer" } },
    { n: 2, t, v: { metric: "errors", type: "counter" } },
    { n: 1, t },
  ]);
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

const scene = scenes(() => browser);

/** @param {Page} page @param {Record<string, string>} expected */
const shows = (page, expected) => eventually(async () => assert.deepEqual(await sums(page), expected));

/** @param {Page} page */
const filters = (page) => new URL(page.url()).searchParams.getAll("where");

scene("the page begins with the metric that has the most points", async ({ page }) => {
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "60" });
  assert.deepEqual(filters(page), ["metric=requests"]);
  await page.getByText("metric is requests").waitFor();

  await page.goto(pageOf(worker, stream, { from: "-6h", zone: "utc" }));
  await shows(page, { "all points": "60" });
  assert.deepEqual([filters(page), new URL(page.url()).searchParams.get("from")], [["metric=requests"], "-6h"]);
});

scene("the page shows exactly what its address asks for", async ({ page }) => {
  for (const [query, expected] of /** @type {[Record<string, string>, Record<string, string>][]} */ ([
    [{ where: "metric=errors" }, { "all points": "2" }],
    [{ by: "metric" }, { latency: "5,000.5", requests: "60", errors: "2", "without metric": "1" }],
    [{ agg: "count" }, { "all points": "6" }],
    [{ where: "" }, { "all points": "5,063.5" }],
  ])) {
    await page.goto(pageOf(worker, stream, query));
    await shows(page, expected);
    assert.deepEqual(filters(page), "where" in query ? [query.where] : []);
  }
});

scene("the first filter can be removed, and stays away", async ({ page }) => {
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "60" });
  await page.getByRole("button", { name: "Remove the filter metric is requests" }).click();
  await shows(page, { "all points": "5,063.5" });
  await page.getByRole("radio", { name: "6 h" }).click();
  await shows(page, { "all points": "5,063.5" });
  await page.reload();
  await shows(page, { "all points": "5,063.5" });
  await page.getByRole("radio", { name: "24 h" }).click();
  await shows(page, { "all points": "5,063.5" });
  await page.goBack();
  await page.goBack();
  await page.goBack();
  await shows(page, { "all points": "60" });
});

scene("one metric needs no filter, and an idle hour looks back", async ({ page }) => {
  const t = Math.floor(Date.now() / 1000);
  const alone = await worker.createStream();
  await worker.write(alone, [{ n: 3, v: { metric: "requests" } }]);
  await page.goto(pageOf(worker, alone));
  await shows(page, { "all points": "3" });
  assert.deepEqual(filters(page), []);

  const some = await worker.createStream();
  await worker.write(some, [{ n: 3 }, { n: 4 }, { n: 5, v: { metric: "a&b=c" } }]);
  await page.goto(pageOf(worker, some));
  await shows(page, { "all points": "5" });
  assert.deepEqual(filters(page), ["metric=a&b=c"]);

  const idle = await worker.createStream();
  await worker.write(idle, [{ n: 3, t: t - 8000, v: { metric: "x" } }, { n: 4, t: t - 8000, v: { metric: "y" } }, { n: 4, t: t - 7000, v: { metric: "y" } }]);
  await page.goto(pageOf(worker, idle));
  await page.getByRole("heading", { name: "No points in the last hour match the filters" }).waitFor();
  assert.deepEqual(filters(page), ["metric=y"]);
});

scene("whole counts per minute stay whole from any second", async ({ page }) => {
  const counted = await worker.createStream();
  const t = Math.floor(Date.now() / 60_000) * 60;
  await worker.write(counted, Array.from({ length: 90 }, (_, i) => ({ n: 201 + ((i * 7919) % 200), p: 60, t: t - i * 60 })));
  await page.goto(pageOf(worker, counted));
  await page.getByText("in steps of 1 minute", { exact: true }).waitFor();
  const { data: { from, to }, said: [{ summary }] } = await eventually(async () => {
    const shown = await settled(page, totals);
    const [{ summary, latest }] = shown.said;
    assert.match(summary, /^[\d,]+$/);
    assert.match(latest, /^\d+$/);
    return shown;
  });
  await page.goto(pageOf(worker, counted, { from: String(from + 1), to: String(to - 1) }));
  await page.getByText("in steps of 1 minute", { exact: true }).waitFor();
  await eventually(async () => assert.equal((await totals(page))[0].summary, summary));
});
