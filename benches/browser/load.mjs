// @ts-check
/**
 * What heartbeat.js costs a page on its main thread: from Chromium's trace, compiling and running it at load, and all
 * that it does in the seconds after. With every automatic point on, on this machine and slowed down as a phone is.
 *
 *   node benches/browser/load.mjs [loads, 15]
 */

import { launch } from "../../tests/browser/chromium.mjs";
import { startSite } from "../../tests/browser/site.mjs";
import { startWorker } from "../../tests/browser/worker.mjs";

const LOADS = Number(process.argv[2] ?? 15);
/** DevTools' "mid-tier mobile" and "low-tier mobile". */
const SLOWDOWNS = [1, 4, 6];

const [worker, site, browser] = await Promise.all([startWorker(), startSite(), launch()]);
const { id } = await worker.createStream();
site.put("/", { html: `<script defer src="${worker.origin}/heartbeat.js" data-stream="${id}" data-flush-interval="0.2"></script>` });
for (const slowdown of SLOWDOWNS) {
  const loads = [];
  for (let i = 0; i < LOADS; i++) loads.push(await load(slowdown));
  const at = (/** @type {"load" | "after"} */ part) => loads.map((one) => one[part]).sort((a, b) => a - b);
  console.log(`slowed down ${slowdown}x: ${told(at("load"))} at load, ${told(at("after"))} in the second after with the first batch`);
}
await browser.close();
await worker.stop();
site.stop();

/** One load in a browser context without caches. @param {number} slowdown */
async function load(slowdown) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  await browser.startTracing(page, { categories: ["devtools.timeline", "v8", "disabled-by-default-v8.compile"] });
  const sent = page.waitForResponse((response) => response.url().includes("/points"));
  await page.goto(`${site.origin}/`);
  await sent;
  await page.waitForTimeout(200);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  await context.close();

  const ours = traceEvents.filter((/** @type {any} */ one) => one.ph === "X" && one.args?.data?.url?.endsWith("/heartbeat.js"));
  const ms = (/** @type {string[]} */ names) =>
    ours.filter(({ name }) => names.includes(name)).reduce((sum, { dur, tdur }) => sum + (tdur ?? dur) / 1000, 0);
  // EvaluateScript holds the compilation.
  return { load: ms(["EvaluateScript"]), after: ms(["FunctionCall"]) };
}

/** @param {number[]} sorted */
function told(sorted) {
  return `${sorted[sorted.length >> 1].toFixed(2)} ms (at most ${sorted.at(-1)?.toFixed(2)})`;
}
