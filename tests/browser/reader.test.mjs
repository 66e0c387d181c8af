// @ts-check
/** The reader page against the real Worker, in a real browser. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { visit } from "./visitor.mjs";
import { OWNER_TOKEN, startWorker } from "./worker.mjs";

/** @import { Visitor } from "./visitor.mjs" */
/** @import { Stream, Worker } from "./worker.mjs" */

/** Gzipped bytes of everything that the page loads. */
const PAGE_WEIGHT_BYTES = 100_000;

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

/**
 * One visit, clean to the end.
 * @param {string} name
 * @param {(visitor: Visitor) => Promise<void>} story
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
function scene(name, story, options) {
  test(name, async () => {
    const visitor = await visit(browser, options);
    try {
      await story(visitor);
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  });
}

/** @param {Stream} stream */
function linkTo({ links }) {
  return new URL(links.dashboard, worker.origin).href;
}

scene("a stream is created with the owner token, and the page moves on to it", async ({ page, rows }) => {
  await page.goto(worker.origin);
  await page.getByLabel("Name").fill("visits");
  await page.getByLabel("Owner token").fill(OWNER_TOKEN);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("“visits” is created.").waitFor();
  await page.getByRole("heading", { name: "No points in the last hour" }).waitFor();

  const { search, hash } = new URL(page.url());
  assert.match(search, /^\?stream=[^&]+$/);
  assert.match(hash, /^#key=rk_/);
  assert.deepEqual(await rows(), []);
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""]);
});

scene("a wrong owner token is told so", async ({ page }) => {
  await page.goto(worker.origin);
  await page.getByLabel("Name").fill("visits");
  await page.getByLabel("Owner token").fill("not the token");
  await page.getByRole("button", { name: "Create" }).click();
  await eventually(async () => assert.notEqual(await page.locator("#create .answer").innerText(), "Creating…"));
  assert.equal(await page.locator("#create .answer").getAttribute("data-kind"), "bad");
  assert.equal(new URL(page.url()).search, "");
});

scene("the dashboard link opens the stream, and its key is in no request's URL", async ({ page, requests, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 2 }, { n: 3 }]);
  await page.goto(linkTo(stream));
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "5", "5"]]));

  assert.deepEqual(requests.map((request) => request.url()).filter((url) => url.includes(stream.read_key)), []);
  const keys = await Promise.all(requests.map((request) => request.headerValue("Authorization")));
  assert.ok(keys.includes(`Bearer ${stream.read_key}`));
  assert.ok(new URL(page.url()).hash.includes(stream.read_key));
});

scene("stream id and read key, typed in, open the stream", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 4 }]);
  await page.goto(worker.origin);
  await page.getByLabel("Stream id").fill(stream.id);
  await page.locator("#open").getByLabel("Read key").fill(stream.read_key);
  await page.getByRole("button", { name: "Open" }).click();
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "4", "4"]]));
});

scene("a wrong key shows no numbers but a way to enter the right one", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 4 }]);
  await page.goto(`${worker.origin}/?stream=${stream.id}#key=rk_wrong`);
  await page.getByRole("heading", { name: "This read key does not open the stream" }).waitFor();
  assert.deepEqual(await rows(), []);

  await page.locator("#key").getByLabel("Read key").fill(stream.read_key);
  await page.getByRole("button", { name: "Use this key" }).click();
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "4", "4"]]));
  assert.equal(await page.locator("#key").isVisible(), false);
});

scene("a stream that is not there is named so, with a link to what that means", async ({ page }) => {
  await page.goto(`${worker.origin}/?stream=forged#key=rk_any`);
  await page.getByRole("heading", { name: "No such stream" }).waitFor();
  await page.getByRole("link", { name: "What this means" }).click();
  await page.locator("section#not-found:target").waitFor();
});

scene("a test point shows up in the table", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await page.goto(linkTo(stream));
  await page.getByLabel("n value").fill("7.5");
  await page.getByLabel("d out of").fill("10");
  await page.getByLabel("Labels").fill("country=US");
  await page.getByRole("button", { name: "Send point" }).click();
  await page.getByText("1 accepted.").waitFor();
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "7.5", "7.5"]]));

  await page.getByLabel("Aggregate").selectOption("ratio");
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "0.75", "0.75"]]));
});

scene("a test point's labels can be grouped by, also those that are new to the stream", async ({ page }) => {
  const stream = await worker.createStream();
  await page.goto(linkTo(stream));
  const choices = ["Nothing"];
  for (const label of ["country", "device"]) {
    await page.getByLabel("Labels").fill(`${label}=x`);
    await page.getByRole("button", { name: "Send point" }).click();
    choices.push(label);
    await eventually(async () => assert.deepEqual((await page.getByLabel("Group by").locator("option").allInnerTexts()).toSorted(), choices.toSorted()));
  }
});

scene("a refused test point is told why", async ({ page }) => {
  const stream = await worker.createStream();
  await page.goto(linkTo(stream));
  await page.getByLabel("d out of").fill("-1");
  await page.getByRole("button", { name: "Send point" }).click();
  await page.locator("#point .answer li", { hasText: /^d: ./ }).waitFor();
});

scene("lines are grouped by a label of the stream, and back and forward work", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 5, v: { country: "US" } }, { n: 3, v: { country: "DE" } }, { n: 1, v: { city: "Rome" } }]);
  await page.goto(linkTo(stream));
  await page.getByLabel("Group by").selectOption("country");

  const grouped = [["US", "", "5", "5"], ["DE", "", "3", "3"], ["without country", "", "1", "1"]];
  await eventually(async () => assert.deepEqual((await rows()).sort(), grouped.toSorted()));
  assert.equal(new URL(page.url()).searchParams.get("by"), "country");

  await page.goBack();
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "9", "9"]]));
  assert.equal(await page.getByLabel("Group by").inputValue(), "");
  await page.goForward();
  await eventually(async () => assert.equal((await rows()).length, 3));
  assert.ok(new URL(page.url()).hash.includes(stream.read_key));
});

scene("what is beyond the colours is folded into one line, and nothing is lost", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, Array.from({ length: 12 }, (_, i) => ({ n: 12 - i, v: { host: `host-${i}` } })));
  await page.goto(`${worker.origin}/?stream=${stream.id}&by=host#key=${stream.read_key}`);
  await eventually(async () => assert.equal((await rows()).length, 9));
  const totals = (await rows()).map((row) => Number(row[3]));
  assert.equal(totals.reduce((a, b) => a + b), 78);
  assert.ok((await rows()).some(([name]) => name === "all others"));
});

scene("hostile label values are text and nothing else", async ({ page, rows }) => {
  const image = "<img src=x onerror=alert(1)>";
  const override = "\u202Egnp.exe";
  const long = "x".repeat(256);
  const name = "<script>alert(2)</script>";
  const stream = await worker.createStream();
  await worker.write(stream, [image, override, long].map((value) => ({ n: 1, v: { [name]: value } })));
  await page.goto(`${worker.origin}/?stream=${stream.id}&by=${encodeURIComponent(name)}#key=${stream.read_key}`);

  await eventually(async () => assert.deepEqual((await rows()).map((row) => row[0]).sort(), [image, long, override].sort()));
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.equal(await page.locator("table.series bdi", { hasText: override }).evaluate((el) => getComputedStyle(el).unicodeBidi), "isolate");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
}, { viewport: { width: 360, height: 740 } });

scene("the page refreshes by itself while it is visible", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 1 }]);
  await page.clock.install();
  await page.goto(linkTo(stream));
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "1", "1"]]));
  await worker.write(stream, [{ n: 1 }]);
  await eventually(async () => {
    await page.clock.runFor(10_000);
    assert.equal((await rows())[0][3], "2");
  });
});

scene("a failing server is quoted, the chart stays, and refreshing mends it", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 1 }]);
  await page.goto(linkTo(stream));
  await eventually(async () => assert.equal((await rows()).length, 1));

  const problem = { type: "/problems.html#overloaded", title: "Overloaded", status: 503, detail: "More <b>work</b> than can be taken." };
  await page.route("**/rollup?*", (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(problem) }));
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("heading", { name: "Overloaded" }).waitFor();
  await page.getByText("More <b>work</b> than can be taken.").waitFor();
  assert.equal((await rows()).length, 1);

  await page.unroute("**/rollup?*");
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("heading", { name: "Overloaded" }).waitFor({ state: "hidden" });
});

scene("the arrow keys move the cursor, and the values there are in the table and spoken", async ({ page, rows }) => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 6, v: { country: "US" } }]);
  await page.goto(`${worker.origin}/?stream=${stream.id}&by=country#key=${stream.read_key}`);
  await eventually(async () => assert.equal((await rows()).length, 1));

  const cursor = page.getByRole("slider", { name: "Time cursor of the chart" });
  await cursor.focus();
  await eventually(async () => {
    await cursor.press("ArrowLeft");
    assert.equal((await rows())[0][1], "6");
  });
  assert.match((await cursor.getAttribute("aria-valuetext")) ?? "", /^\d\d:\d\d:\d\d: US 6$/);
  await cursor.press("Escape");
  assert.equal((await rows())[0][1], "");
});

scene("pages come with the strict headers, and the reader is light", async ({ page }) => {
  const bodies = /** @type {Promise<Buffer>[]} */ ([]);
  page.on("response", (response) => void bodies.push(response.body()));
  const response = await page.goto(worker.origin, { waitUntil: "networkidle" });

  const headers = response?.headers() ?? {};
  assert.match(headers["content-security-policy"], /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["referrer-policy"], "no-referrer");
  const weight_bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + gzipSync(body).length, 0);
  assert.ok(weight_bytes < PAGE_WEIGHT_BYTES, `${weight_bytes} bytes`);
});
