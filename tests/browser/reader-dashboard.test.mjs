// @ts-check
/** Several charts on the reader page, and its files: dashboards, CSV, pictures, JSON. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { card, pageOf, scenes, sums } from "./reading.mjs";
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
  stream = await worker.createStream("visits");
  await worker.write(stream, [{ n: 5, v: { country: "US" } }, { n: 3, v: { country: "DE, \"x\"" } }]);
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

const scene = scenes(() => browser);

/** @param {Page} page @param {Record<string, string>[]} expected */
const show = (page, expected) =>
  eventually(async () => {
    assert.equal(await page.locator("article.chart").count(), expected.length);
    for (const [i, one] of expected.entries()) assert.deepEqual(await sums(page, i), one);
  });

const BY_COUNTRY = { US: "5", 'DE, "x"': "3" };
const ALL = { "all points": "8" };

/** @param {Page} page @param {number} chart @param {string} what */
async function act(page, chart, what) {
  await card(page, chart).getByLabel("More for this chart").click();
  await card(page, chart).getByRole("button", { name: what }).click();
}

/** @param {Page} page @param {() => Promise<void>} click */
async function downloaded(page, click) {
  const [file] = await Promise.all([page.waitForEvent("download"), click()]);
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

scene("charts can be added, duplicated, moved and removed", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await show(page, [BY_COUNTRY]);
  await page.getByRole("button", { name: "Add a chart" }).click();
  await show(page, [BY_COUNTRY, ALL]);
  await card(page, 1).getByRole("radio", { name: "Bars" }).click();
  await act(page, 1, "Duplicate");
  await show(page, [BY_COUNTRY, ALL, ALL]);
  await act(page, 0, "Move down");
  await show(page, [ALL, BY_COUNTRY, ALL]);

  const { searchParams } = new URL(page.url());
  assert.equal(searchParams.get("kind"), "bars");
  assert.deepEqual(searchParams.getAll("chart"), ["by=country", "kind=bars"]);
  await page.reload();
  await show(page, [ALL, BY_COUNTRY, ALL]);
  await act(page, 0, "Remove");
  await show(page, [BY_COUNTRY, ALL]);
  await page.goBack();
  await show(page, [ALL, BY_COUNTRY, ALL]);
});

scene("a dashboard is saved without the key, and loads again", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country", label: "Where from", from: "-6h", chart: "agg=count" }));
  await show(page, [BY_COUNTRY, { "all points": "2" }]);
  const file = await downloaded(page, () => page.getByRole("button", { name: "Save as a file" }).click());
  assert.match(file.name, /^dashboard-.*\.json$/);
  assert.ok(!file.bytes.includes("rk_"));

  await page.goto(pageOf(worker, stream));
  await show(page, [ALL]);
  await page.getByLabel("Dashboard file").setInputFiles({ name: "d.json", mimeType: "application/json", buffer: file.bytes });
  await show(page, [BY_COUNTRY, { "all points": "2" }]);
  await card(page).getByRole("heading", { name: "Where from" }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get("from"), "-6h");
});

scene("a loaded dashboard of another stream does not get the key", async ({ page, requests }) => {
  await page.goto(pageOf(worker, stream));
  await show(page, [ALL]);
  const load = (/** @type {string} */ text) => page.getByLabel("Dashboard file").setInputFiles({ name: "d.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await load("<html>");
  await page.getByText("This file is not JSON.").waitFor();
  await show(page, [ALL]);

  const other = await worker.createStream("other");
  await load(JSON.stringify({ heartbeat_dashboard: 1, stream: other.id, from: "-1h", charts: [{}] }));
  await page.getByRole("heading", { name: "This stream needs a read key" }).waitFor();
  assert.ok(!page.url().includes("rk_"));
  const sent = await Promise.all(requests.filter((one) => one.url().includes(other.id)).map((one) => one.headerValue("Authorization")));
  assert.deepEqual(sent.filter(Boolean), []);
});

scene("a chart is downloaded as CSV and as a picture", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await show(page, [BY_COUNTRY]);
  const csv = await downloaded(page, () => page.getByRole("button", { name: "CSV" }).click());
  assert.equal(csv.name, "Sum-of-n-by-country.csv");
  const lines = csv.bytes.toString().trim().split("\r\n");
  assert.equal(lines[0], "time,country,sum");
  assert.deepEqual(lines.slice(1).map((line) => line.replace(/^[^,]*,/, "")).sort(), ['"DE, ""x""",3', "US,5"]);

  const png = await downloaded(page, () => page.getByRole("button", { name: "PNG" }).click());
  assert.equal(png.name, "Sum-of-n-by-country.png");
  assert.deepEqual([...png.bytes.subarray(1, 4)], [...Buffer.from("PNG")]);
  const plot = await page.locator("heartbeat-chart canvas").evaluate((/** @type {any} */ canvas) => [canvas.width, canvas.height]);
  const [width, height] = [png.bytes.readUInt32BE(16), png.bytes.readUInt32BE(20)];
  assert.ok(width > plot[0] && height > plot[1] + 50, "the picture has no room for a title and names");
});

scene("the exact JSON is a link without the key, and opens with it", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country", where: "country!=FR" }));
  await show(page, [BY_COUNTRY]);
  const link = page.getByRole("link", { name: "JSON" });
  const href = (await link.getAttribute("href")) ?? "";
  assert.ok(!href.includes("rk_"));
  const answer = await (await fetch(new URL(href, worker.origin), { headers: { Authorization: `Bearer ${stream.read_key}` } })).json();
  assert.deepEqual(answer.series.map((/** @type {any} */ one) => one.labels.country), ["US", 'DE, "x"']);
  const data = await page.locator("heartbeat-chart").evaluate((/** @type {any} */ el) => el.data);
  assert.deepEqual([answer.to - answer.from, answer.step], [data.to - data.from, data.step]);

  const [tab] = await Promise.all([page.waitForEvent("popup"), link.click()]);
  await eventually(async () => assert.match(await tab.locator("body").innerText(), /"series":\[\{"labels":\{"country":"US"\}/));
  assert.ok(!tab.url().includes("rk_"));
});
