// @ts-check
/**
 * All pages under languages and time zones as browsers report them: Intl refuses some, and some are written from right
 * to left or with other digits. All other tests run under the first of them, as in a container.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { assertAccessible } from "./accessibility.mjs";
import { startSite } from "./chart-site.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { signIn } from "./owner.mjs";
import { card, pageOf, totals } from "./reading.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Browser, BrowserContextOptions, Page } from "playwright-core" */
/** @import { Stream, Worker } from "./worker.mjs" */

const [DE, US] = [{ country: "DE" }, { country: "US" }];

/**
 * The environment, beyond LC_ALL=C.UTF-8, and the language that Chromium takes from it.
 * @type {[Record<string, string | undefined>, string?][]}
 */
const ENVIRONMENTS = [
  [{}, "en-US@posix"],
  [{ LC_ALL: undefined, LC_MESSAGES: undefined, LANG: undefined }, "en-US@posix"],
  [{ LC_ALL: "POSIX" }],
  [{ LC_ALL: "ca_ES@valencia" }, "ca-ES@valencia"],
  [{ LC_ALL: "sr_RS.UTF-8@latin" }],
  [{ TZ: "Nowhere/Atall" }],
  [{ TZ: "XYZ-3:45" }],
  [{ TZ: ":/nowhere" }],
];

/**
 * Right to left with other digits and with ours, left to right with other digits, and with other marks between ours.
 */
const LOCALES = ["ar-EG", "he-IL", "fa-IR", "mr-IN", "de-CH"];

/** @type {Worker} */
let worker;
/** @type {Browser} */
let browser;
/** @type {Stream} */
let stream;

before(async () => {
  worker = await startWorker();
  browser = await launch();
  stream = await worker.createStream("visits");
  await worker.write(stream, [{ n: 12_345.5, v: DE }, { n: -3, v: US }]);
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

/** The number as this page's browser writes it. @param {Page} page @param {number} number */
function written(page, number) {
  return page.evaluate((number) => number.toLocaleString(undefined, { maximumFractionDigits: 3 }), number);
}

/**
 * Nothing overflows on a page in English, whatever the direction of the browser's language.
 * @param {Page} page
 */
async function assertLaidOut(page) {
  const { direction, isWithin } = await page.evaluate(() => ({ direction: getComputedStyle(document.documentElement).direction, isWithin: document.documentElement.scrollWidth <= innerWidth }));
  assert.deepEqual([direction, isWithin], ["ltr", true]);
}

/** How many of the chart's points are painted. @param {Page} page */
function painted(page) {
  return page.locator("heartbeat-chart").evaluate((el) => {
    const canvas = /** @type {HTMLCanvasElement} */ (el.shadowRoot?.querySelector("canvas"));
    const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  });
}

/**
 * Visits all pages; nothing may be wrong at the end.
 * @param {Browser} browser
 * @param {BrowserContextOptions} [options]
 */
async function visitAll(browser, options) {
  const visitor = await visit(browser, { timezoneId: undefined, ...options });
  const { page } = visitor;
  const site = await startSite(worker.origin);
  try {
    // The reader, with a chart, a table, a range and the matchers.
    await page.goto(pageOf(worker, stream, "by=country&zone=local"));
    const [de, us] = [await written(page, 12_345.5), await written(page, -3)];
    await eventually(async () => assert.deepEqual((await totals(page)).map(({ name, summary }) => [name, summary]), [["DE", de], ["US", us]]));
    await assertLaidOut(page);
    const [file] = await Promise.all([page.waitForEvent("download"), card(page).getByRole("button", { name: "CSV" }).click()]);
    const csv = (await readFile(await file.path(), "utf8")).trim().split("\r\n");
    assert.ok(csv.some((line) => /DE.*\b12345\.5$/.test(line)) && csv.some((line) => /US.*-3$/.test(line)), csv.join("\n"));
    await page.goto(pageOf(worker, stream, `by=country&from=${Math.floor(Date.now() / 1000) - 7200}&to=${Math.floor(Date.now() / 1000) + 60}&kind=bars`));
    await eventually(async () => assert.equal((await totals(page)).length, 2));
    await assertLaidOut(page);
    await assertAccessible(page);

    // The demo, which counts this very visitor and no other: who left is counted for 20 seconds.
    const demo = await worker.createStream("demo", { public_read: true, distinct: ["client_id"] });
    await page.goto(`${worker.origin}/demo?stream=${demo.id}`);
    await page.waitForFunction(() => document.querySelector(".number")?.textContent === "1", undefined, { polling: 100 });
    await assertLaidOut(page);

    // The owner's page.
    await signIn(page, worker);
    await page.getByRole("link", { name: "visits" }).first().click();
    await page.getByText(/as of /).first().waitFor();
    await assertLaidOut(page);

    // The element in a site of another origin, in either direction.
    for (const direction of ["ltr", "rtl"]) {
      site.show(`<div dir="${direction}"><heartbeat-chart stream="${stream.id}" key="${stream.read_key}" by="country"></heartbeat-chart></div>`);
      await page.goto(site.url);
      const chart = page.locator("heartbeat-chart");
      await chart.getByText(de).first().waitFor({ state: "attached" });
      await eventually(async () => assert.ok((await painted(page)) > 500));
      const [plot, stage] = await Promise.all([chart.locator(".u-over").boundingBox(), chart.boundingBox()]);
      assert.ok(plot && stage && plot.x >= stage.x && plot.x + plot.width <= stage.x + stage.width, JSON.stringify({ plot, stage }));
      await assertLaidOut(page);
    }
    visitor.assertClean();
  } finally {
    site.stop();
    await visitor.close();
  }
}

for (const [environment, language] of ENVIRONMENTS) {
  const said = Object.entries(environment).map(([name, value]) => (value === undefined ? `no ${name}` : `${name}=${value}`));
  test(`all pages work in ${said.join(", ") || "LC_ALL=C.UTF-8"}`, async (t) => {
    const browser = await launch(environment);
    try {
      const page = await browser.newPage();
      const [told, zone, isTaken] = await page.evaluate(() => {
        const takes = (/** @type {() => void} */ use) => { try { use(); return true; } catch { return false; } };
        const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        return [navigator.language, zone, takes(() => new Intl.NumberFormat(navigator.language)) && takes(() => new Intl.DateTimeFormat("en", { timeZone: zone }))];
      });
      t.diagnostic(`the browser says ${told} and ${zone}, ${isTaken ? "as" : "which is not what"} Intl takes`);
      if (language) assert.deepEqual([told, isTaken], [language, false]);
      await page.close();
      await visitAll(browser);
    } finally {
      await browser.close();
    }
  });
}

for (const locale of LOCALES) {
  test(`all faces work in ${locale}`, () => visitAll(browser, { locale, timezoneId: "Asia/Kathmandu" }));
}

test("the last time of an axis is whole in every language", async () => {
  // Ends at a tick, with a point so that there is something to draw.
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 12_345.5, v: DE }]);
  const to = Math.floor(Date.now() / 600_000) * 600 + 600;
  for (const locale of ["en-US", "de-DE", "zh-TW", "fa-IR", "am-ET"]) {
    const visitor = await visit(browser, { locale, viewport: { width: 1180, height: 900 } });
    const { page } = visitor;
    await page.addInitScript(() => {
      const { fillText } = CanvasRenderingContext2D.prototype;
      const ends = /** @type {[string, number][]} */ ([]);
      Object.assign(window, { ends });
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        if (this.textAlign === "center") ends.push([text, this.canvas.width - x - this.measureText(text).width / 2]);
        fillText.call(this, text, x, y);
      };
    });
    try {
      await page.goto(pageOf(worker, stream, { from: String(to - 3000), to: String(to) }));
      const ends = await eventually(async () => {
        const ends = await page.evaluate(() => /** @type {any} */ (window).ends);
        assert.ok(ends.length >= 5);
        return ends;
      });
      for (const [text, room] of ends) assert.ok(room >= 0, `${locale}: ${text} lacks ${-room}`);
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  }
});
