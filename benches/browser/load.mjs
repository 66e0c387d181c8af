// @ts-check
/**
 * What heartbeat.js costs a page on its main thread, by the thread's own clock in Chromium's trace: compiling and
 * running it at load, and all that it does until its first batch has its answer. Everything automatic is on, nothing is
 * cached.
 *
 *   node benches/browser/load.mjs [loads, 25]
 */

import { launch } from "../../tests/browser/chromium.mjs";
import { startSite } from "../../tests/browser/site.mjs";
import { startWorker } from "../../tests/browser/worker.mjs";

const LOADS = Number(process.argv[2] ?? 25);

const [worker, site, browser] = await Promise.all([startWorker(), startSite(), launch()]);
const { id } = await worker.createStream();
const labels = '{"site":"blog"}';
site.put("/", { html: `<script defer src="${worker.origin}/heartbeat.js" data-stream="${id}" data-labels='${labels}' data-flush-interval="0.2"></script>` });
const loads = [];
for (let i = 0; i < LOADS; i++) loads.push(await load());
for (const part of /** @type {const} */ (["load", "after"])) {
  const sorted = loads.map((one) => one[part]).sort((a, b) => a - b);
  const [least, median, most] = [0, LOADS >> 1, LOADS - 1].map((at) => sorted[at].toFixed(2));
  console.log(`${part}: ${median} ms, from ${least} to ${most}`);
}
await browser.close();
await worker.stop();
site.stop();

/** One load in a browser context of its own. */
async function load() {
  const context = await browser.newContext();
  const page = await context.newPage();
  await browser.startTracing(page, { categories: ["devtools.timeline"] });
  const sent = page.waitForResponse((response) => response.url().includes("/points"));
  await page.goto(`${site.origin}/`);
  await (await sent).finished();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  await context.close();

  const ours = traceEvents.filter((/** @type {any} */ one) => one.ph === "X" && one.args?.data?.url?.endsWith("/heartbeat.js"));
  const cost_ms = (/** @type {string} */ name) =>
    ours.filter((/** @type {any} */ one) => one.name === name).reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.tdur / 1000, 0);
  // Evaluating a script holds its compilation.
  return { load: cost_ms("EvaluateScript"), after: cost_ms("FunctionCall") };
}
