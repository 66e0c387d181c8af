// @ts-check
/**
 * Makes the pictures of the README, docs/images/*.webp, from the built Worker and a day of made-up visits:
 *
 *   node tools/screenshots.mjs
 *
 * Look at them before you commit them.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { launch } from "../tests/browser/chromium.mjs";
import { pageOf } from "../tests/browser/reading.mjs";
import { visit } from "../tests/browser/visitor.mjs";
import { startWorker } from "../tests/browser/worker.mjs";

/** @import { Page } from "playwright-core" */

const IMAGES = join(import.meta.dirname, "../docs/images");

/** The README loads all of them. */
const MOST_BYTES = 400_000;
const QUALITY = 0.82;

const DAY_S = 86_400;

/** Between two points: for most of the day, and for its last hours, which appear in finer steps. */
const STEP_S = 60;
const FINE_STEP_S = 10;
const FINE_S = 7300;

/** Country, share, and the hour of its evening in UTC. */
const COUNTRIES = /** @type {const} */ ([["United States", 9, 1], ["Germany", 6, 19], ["Brazil", 5, 23], ["India", 4.5, 15], ["Japan", 3, 11]]);
const DEVICES = /** @type {const} */ ([["phone", 0.58], ["desktop", 0.36], ["tablet", 0.06]]);

const DESK = { viewport: { width: 1180, height: 1020 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** @type {[string, string, import("playwright-core").BrowserContextOptions][]} */
const PICTURES = [
  ["light", "by=country&compare&where=country!%3DJapan&where=country!%3DIndia", DESK],
  ["dark", "from=-24h&by=country&kind=bars&label=Visits by country", { ...DESK, colorScheme: "dark" }],
  ["stacked", "from=-24h&by=country&kind=area&label=Visits&chart=by%3Ddevice%26kind%3Dbars%26label%3DBy device&zone=utc", { viewport: { width: 1440, height: 1170 } }],
  ["phone", "from=-24h&by=device&kind=area&label=Visits by device", PHONE],
];

const worker = await startWorker();
const browser = await launch();
try {
  const stream = await worker.createStream("visits");
  const points = invented(Math.floor(Date.now() / 1000));
  for (let i = 0; i < points.length; i += 5000) await worker.write(stream, points.slice(i, i + 5000));
  await mkdir(IMAGES, { recursive: true });
  let bytes = 0;
  for (const [name, query, options] of PICTURES) {
    const visitor = await visit(browser, options);
    const { page } = visitor;
    await page.goto(pageOf(worker, stream, query));
    await drawn(page);
    const picture = await webp(page, await page.screenshot({ animations: "disabled" }));
    await writeFile(join(IMAGES, `${name}.webp`), picture);
    visitor.assertClean();
    await visitor.close();
    bytes += picture.length;
    console.log(`${name}.webp: ${picture.length} bytes`);
  }
  if (bytes > MOST_BYTES) throw new Error(`${bytes} bytes are more than ${MOST_BYTES}`);
} finally {
  await browser.close();
  await worker.stop();
}

/** Waits until all charts have painted their numbers, those of the previous period too. @param {Page} page */
async function drawn(page) {
  await page.waitForFunction(() => {
    const charts = [...document.querySelectorAll("article.chart")];
    const isCompared = (/** @type {Element} */ chart) => !chart.querySelector("[data-column=before]:not([hidden])") || /\d/.test(chart.querySelector("td[data-column=before]")?.textContent ?? "");
    return charts.length > 0 && charts.every((chart) => chart.querySelector(".totals tbody tr") && isCompared(chart)) && document.querySelector("h1 bdi")?.textContent !== "Stream";
  });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/**
 * A picture as WebP, which is much smaller than PNG; the browser converts it.
 * @param {Page} page
 * @param {Buffer} png
 * @returns {Promise<Buffer>}
 */
async function webp(page, png) {
  // A blank page has no policy against data: pictures.
  await page.goto("about:blank");
  const url = await page.evaluate(async ([data, quality]) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(bitmap, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: Number(quality) })).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }, /** @type {const} */ ([png.toString("base64"), QUALITY]));
  return Buffer.from(url, "base64");
}

/**
 * A day of visits: each country is awake at its own hours, with noise that is the same each time.
 * @param {number} now_s
 */
function invented(now_s) {
  let seed = 7;
  const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const points = [];
  // The server does not accept older points.
  for (let step_s = STEP_S, t = now_s - DAY_S + 300; t <= now_s; step_s = now_s - t > FINE_S ? STEP_S : FINE_STEP_S, t += step_s) {
    for (const [country, share, evening] of COUNTRIES) {
      const awake = 0.42 + 0.58 * ((1 + Math.cos((2 * Math.PI * (t - evening * 3600)) / DAY_S)) / 2) ** 1.6;
      for (const [device, part] of DEVICES) points.push({ n: Math.round(share * step_s * 2 * awake * part * (0.94 + 0.12 * chance())), t, v: { country, device } });
    }
  }
  return points;
}
