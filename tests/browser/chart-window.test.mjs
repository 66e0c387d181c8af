// @ts-check
/**
 * <heartbeat-chart> on the real Worker: any window has valid steps that are kept, and the open one is marked.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startSite } from "./chart-site.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Visitor } from "./visitor.mjs" */
/** @import { Stream, Worker } from "./worker.mjs" */

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
 * @param {string} name
 * @param {(scene: Visitor & { show: (stream: Stream, attributes: string) => Promise<void>, chart:
 *   import("playwright-core").Locator }) => Promise<void>} story
 */
function scene(name, story) {
  test(name, async () => {
    const site = await startSite(worker.origin);
    const visitor = await visit(browser);
    const show = async (/** @type {Stream} */ stream, /** @type {string} */ attributes) => {
      site.show(`<heartbeat-chart stream="${stream.id}" key="${stream.read_key}" ${attributes}></heartbeat-chart>`);
      await visitor.page.goto(site.url);
    };
    try {
      await story({ ...visitor, show, chart: visitor.page.locator("heartbeat-chart") });
      visitor.assertClean();
    } finally {
      await visitor.close();
      site.stop();
    }
  });
}

/** @param {import("playwright-core").Locator} chart */
const readerOf = (chart) => chart.evaluate((/** @type {any} */ el) => ({ state: el.reader?.state, way: el.reader?.way, step: el.reader?.step, total: el.reader?.totals[0]?.sum, problem: el.reader?.problem?.detail }));

const WEEK_S = 604_800;
const now_s = () => Math.floor(Date.now() / 1000);

scene("any window is followed live, in steps that it allows", async ({ show, chart }) => {
  const stream = await worker.createStream();
  const before_s = now_s() - 20 * 3600;
  await worker.write(stream, [{ n: 5 }, { n: 7, t: before_s }]);
  // Both are of one week, or a week began between them: weeks are counted from 1970.
  const ofWeek = () => (Math.floor(before_s / WEEK_S) < Math.floor((now_s() - 3600) / WEEK_S) ? 5 : 12);
  for (const [attributes, step, total] of /** @type {[string, number, number | (() => number)][]} */ ([
    // The shortest comes first, while the point is in it.
    ['window="90s"', 10, 5], ['window="7d"', 1800, 12], ['window="30d"', 7200, 12], ['window="90d"', 21_600, 12], ['window="1y"', 604_800, 12],
    ['window="7d" step="10s"', 60, 12], ['window="1d" step="1h"', 3600, 12], ['window="6h" step="5s"', 10, 5], ['window="1h" step="1w"', WEEK_S, ofWeek],
  ])) {
    await show(stream, attributes);
    await eventually(async () => assert.deepEqual(await readerOf(chart), { state: "live", way: "websocket", step, total: typeof total === "number" ? total : total(), problem: undefined }, attributes));
  }
});

scene("steps are the finest that the owner keeps, live too", async ({ show, chart }) => {
  const stream = await worker.createStream("short", { retention: { "10s": "1h", "1m": "2h", "10m": "3h", "1h": "3d" } });
  await worker.write(stream, [{ n: 5 }, { n: 7, t: now_s() - 5 * 3600 }]);
  for (const [attributes, step] of /** @type {[string, number][]} */ ([['window="90m"', 60], ['window="6h"', 3600], ['window="6h" step="10s"', 3600], ['window="7d"', 86_400]])) {
    await show(stream, attributes);
    await eventually(async () => {
      const said = await readerOf(chart);
      assert.deepEqual([said.state, said.way, said.step], ["live", "websocket", step], `${attributes} ${said.problem}`);
    });
  }
});

scene("the server explains a time range with no kept data", async ({ show, chart }) => {
  const stream = await worker.createStream("gone", { retention: { "10s": "1d", "1m": "1d", "10m": "1d", "1h": "1d", "1d": "10d" } });
  await worker.write(stream, [{ n: 5 }]);
  await show(stream, 'window="30d"');
  await chart.getByText(/nothing is kept from before/).waitFor();
  await show(stream, 'window="7d"');
  await eventually(async () => assert.deepEqual(await readerOf(chart), { state: "live", way: "websocket", step: 86_400, total: 5, problem: undefined }));
});

/**
 * 40 points per 10 s, at an odd moment, up to now and on, each second: however slow the page is, its last step is open
 * and has less.
 * @param {(stream: Stream) => Promise<void>} story
 */
async function steadily(story) {
  const stream = await worker.createStream();
  const start_s = Date.now() / 1000;
  await worker.write(stream, Array.from({ length: 200 }, (_, i) => ({ n: 40, p: 10, t: start_s - i * 10 })));
  let isOver = false;
  const write = async () => {
    for (let written = 0; !isOver; await pause(100)) {
      const due = Math.floor(Date.now() / 1000 - start_s) - written;
      if (due > 0) await worker.write(stream, Array.from({ length: due }, (_, i) => ({ n: 4, p: 1, t: start_s + written + i + 1 })));
      written += Math.max(due, 0);
    }
  };
  await Promise.all([write(), story(stream).finally(() => (isOver = true))]);
}

/**
 * The number of steps in the table that are still open, and the values of the complete ones.
 * @param {import("playwright-core").Locator} chart
 */
async function table(chart) {
  const rows = await chart.locator(".rows tbody tr").evaluateAll((all) => all.map((tr) => Array.from(tr.children, (cell) => String(cell.textContent))));
  const isOpen = (/** @type {string[]} */ [time]) => time.endsWith(", still open");
  return { open: rows.filter(isOpen).length, first: rows.findIndex((row) => !isOpen(row)), values: rows.filter((row) => !isOpen(row)).map(([, value]) => value) };
}

scene("steady writes show a steady number and an open last step", async ({ show, chart, rows }) => {
  for (const [attributes, latest] of /** @type {const} */ ([['window="15m"', "40"], ['window="15m" agg="rate"', "4"], ['window="15m" kind="bars" step="1m"', "240"], ['window="15m" kind="area"', "40"]])) {
    await steadily(async (stream) => {
      await show(stream, attributes);
      await eventually(async () => {
        const [[, , last, summary]] = await rows();
        assert.equal(last, latest, attributes);
        if (attributes.includes("rate")) assert.equal(summary, "4");
      });
      await chart.getByText("Data as a table").click();
      await eventually(async () => {
        const { open, first, values } = await table(chart);
        assert.ok(open > 0 && open < 4, `${open} are open`);
        assert.equal(first, open);
        assert.deepEqual([...new Set(values.slice(0, 12))], [latest]);
      });
      const cursor = chart.getByRole("slider");
      await cursor.press("End");
      await eventually(async () => assert.match((await cursor.getAttribute("aria-valuetext")) ?? "", /^[^,]+, still open: /));
    });
  }
});

scene("a live big number is that of the last complete step", async ({ show, chart }) => {
  const stream = await worker.createStream();
  const now = now_s();
  await worker.write(stream, [...Array.from({ length: 60 }, (_, i) => ({ n: 40, t: now - 30 - i * 10 })), { n: 1, t: now + 5 }, { n: 1, t: now }]);
  await show(stream, 'window="1h" step="5m" agg="p50" kind="number"');
  await eventually(async () => assert.deepEqual(await chart.locator("dd").allInnerTexts(), ["40"]));
});
