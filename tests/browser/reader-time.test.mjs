// @ts-check
/** Time on the reader page: live and fixed ranges, and a Worker that restarts. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { pageOf, scenes, sums, totals } from "./reading.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Worker } from "./worker.mjs" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  worker = await startWorker();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

const scene = scenes(() => browser);

/** @param {import("playwright-core").Page} page @param {Record<string, string>} expected */
const shows = (page, expected) => eventually(async () => assert.deepEqual(await sums(page), expected));

scene("new points appear as they arrive", async ({ page }) => {
  const stream = await worker.createStream();
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await page.getByRole("heading", { name: "No points in the last hour" }).waitFor();
  for (const [i, country] of ["US", "DE", "US"].entries()) {
    await worker.write(stream, [{ n: 10 ** i, v: { country } }]);
    await shows(page, i === 0 ? { US: "1" } : i === 1 ? { US: "1", DE: "10" } : { US: "101", DE: "10" });
  }
});

scene("ranges are chosen, held with Live, and moved", async ({ page }) => {
  const stream = await worker.createStream();
  const now = Math.floor(Date.now() / 1000);
  await worker.write(stream, [{ n: 1 }, { n: 10, t: now - 2 * 3600 }, { n: 100, t: now - 20 * 3600 }]);
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "1" });
  await page.getByRole("radio", { name: "6 h" }).click();
  await shows(page, { "all points": "11" });
  await page.getByRole("radio", { name: "24 h" }).click();
  await shows(page, { "all points": "111" });
  assert.equal(new URL(page.url()).searchParams.get("from"), "-24h");

  const live = page.getByRole("button", { name: "Live", exact: true });
  await live.click();
  await eventually(async () => assert.equal(await live.getAttribute("aria-pressed"), "false"));
  await shows(page, { "all points": "111" });
  const { searchParams } = new URL(page.url());
  assert.equal(Number(searchParams.get("to")) - Number(searchParams.get("from")), 86_400);
  await page.getByRole("button", { name: "Earlier" }).click();
  await shows(page, { "all points": "100" });
  await page.getByRole("button", { name: "Later" }).click();
  await shows(page, { "all points": "111" });
  await live.click();
  await eventually(async () => assert.equal(new URL(page.url()).searchParams.get("from"), "-24h"));
  await worker.write(stream, [{ n: 1000 }]);
  await shows(page, { "all points": "1,111" });
});

scene("a fixed range is typed in the chosen time zone", async ({ page }) => {
  const stream = await worker.createStream();
  const t = Math.floor(Date.now() / 60_000) * 60 - 7200;
  await worker.write(stream, [{ n: 5, t: t + 30 }, { n: 7, t: t + 90 }]);
  await page.goto(pageOf(worker, stream));
  await page.getByText("From … to …").click();
  const typed = (/** @type {number} */ time_s) => new Date(time_s * 1000).toISOString().slice(0, 19);
  await page.getByLabel("From", { exact: true }).fill(typed(t + 60));
  await page.getByLabel("To", { exact: true }).fill(typed(t + 30));
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("The end must be at least a minute after the beginning.").waitFor();
  await page.getByLabel("To", { exact: true }).fill(typed(t + 120));
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await shows(page, { "all points": "7" });

  await page.getByLabel("Time zone").selectOption("utc");
  await eventually(async () => assert.equal(new URL(page.url()).searchParams.get("zone"), "utc"));
  assert.equal(await page.locator("heartbeat-chart").getAttribute("timezone"), "utc");
  await shows(page, { "all points": "7" });
});

scene("steps of old times are as wide as the kept ones", async ({ page }) => {
  const stream = await worker.createStream("short", { retention: { "10s": "1h", "1m": "2h" } });
  await worker.write(stream, [{ n: 5, t: Math.floor(Date.now() / 1000) - 5 * 3600 }]);
  const to = Math.floor(Date.now() / 1000) - 4 * 3600;
  await page.goto(pageOf(worker, stream, { from: String(to - 7200), to: String(to) }));
  await shows(page, { "all points": "5" });
  await page.getByText("in steps of 10 minutes", { exact: true }).waitFor();
});

scene("zooming into one chart sets the range of all charts", async ({ page }) => {
  const stream = await worker.createStream();
  const now = Math.floor(Date.now() / 1000);
  await worker.write(stream, [{ n: 1, t: now - 600 }, { n: 10, t: now - 3000 }]);
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "11" });
  const button = page.getByRole("button", { name: "Use this range" });
  assert.equal(await button.isVisible(), false);
  await page.locator("heartbeat-chart").evaluate((/** @type {any} */ el, span) => el.zoom(span), { from: now - 900, to: now - 300 });
  await button.click();
  await shows(page, { "all points": "1" });
  const { searchParams } = new URL(page.url());
  assert.equal(Math.abs(Number(searchParams.get("to")) - (now - 300)) < 2, true);
});

test("a Worker restart leaves no gap and counts nothing twice", async () => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 1, v: { country: "US" } }]);
  const { page, close } = await visit(browser);
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await shows(page, { US: "1" });
  await worker.restart(async () => {
    await page.getByText("Offline, trying again").waitFor();
    await page.getByText("The numbers may be old.").waitFor();
    assert.deepEqual(await sums(page), { US: "1" });
  });
  await worker.write(stream, [{ n: 10, v: { country: "US" } }, { n: 5, v: { country: "DE" } }]);
  await shows(page, { US: "11", DE: "5" });
  await page.getByText("The numbers may be old.").waitFor({ state: "hidden" });
  const data = await page.locator("heartbeat-chart").evaluate((/** @type {any} */ el) => el.data);
  const said = await worker.rollup(stream, { by: "country", from: data.from, to: data.to, step: data.step });
  assert.deepEqual(data.series.map((/** @type {any} */ one) => [one.labels, one.sum]), said.series.map((/** @type {any} */ one) => [one.labels, one.sum]));
  await close();
});

scene("a revoked key is asked for, and nothing stays on the screen", async ({ page }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 1 }]);
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "1" });
  const { read_key } = await worker.replaceKey(stream);
  await page.getByRole("heading", { name: "This read key does not open the stream" }).waitFor();
  assert.deepEqual(await totals(page), []);
  await page.locator("#key").getByLabel("Read key").fill(read_key);
  await page.getByRole("button", { name: "Use this key" }).click();
  await shows(page, { "all points": "1" });
});
