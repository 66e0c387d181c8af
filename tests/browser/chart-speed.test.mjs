// @ts-check
/**
 * How fast a month of 50 series draws, hovers and pans. The times are printed; as machines differ, the limit is a
 * multiple of what plain work takes on the same one. Main-thread time is CPU time, which does not grow on a busy
 * machine; frames need the wall clock.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch } from "./chromium.mjs";
import { startLiveServer } from "./live-server.mjs";
import { startSite } from "./chart-site.mjs";

/** An idle machine should take no more than four times the plain work, and show 50 frames; this limit is worse. */
const MOST_WORK = 15;
const MOVES = 120;

test("30 days of 50 hourly series draw, hover and pan fast enough", async (context) => {
  const server = await startLiveServer();
  const site = await startSite(server.origin);
  const browser = await launch();
  try {
    for (const attributes of ["", "stacked", 'kind="bars"']) {
      const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
      site.show(`<heartbeat-chart by="host" ${attributes}></heartbeat-chart>`);
      await page.goto(site.url);
      await page.waitForFunction(() => customElements.get("heartbeat-chart"));
      const debug = await page.context().newCDPSession(page);
      await debug.send("Performance.enable", { timeDomain: "threadTicks" });
      const busy_ms = async () => 1000 * Number((await debug.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration")?.value);
      await page.evaluate(prepare);

      const idle_ms = await busy_ms();
      await page.evaluate(work);
      const before_ms = await busy_ms();
      await page.evaluate(async () => {
        /** @type {any} */ (document.querySelector("heartbeat-chart")).data = /** @type {any} */ (globalThis).month;
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 0)));
      });
      const draw_ms = (await busy_ms()) - before_ms;
      const work_ms = before_ms - idle_ms;

      const { x, y, width, height } = /** @type {{ x: number, y: number, width: number, height: number }} */ (await page.locator("heartbeat-chart .u-over").boundingBox());
      const hover = await framesOf(page, (i) => page.mouse.move(x + width * (0.1 + (0.8 * i) / MOVES), y + height * (0.2 + (0.6 * ((i * 7) % MOVES)) / MOVES)));
      await page.locator("heartbeat-chart").evaluate((el) => {
        const { from, to } = /** @type {any} */ (el).data;
        /** @type {any} */ (el).zoom({ from: from + 7 * 86_400, to: to - 7 * 86_400 });
      });
      const pan = await framesOf(page, (i) => page.mouse.wheel(i % 60 < 30 ? -20 : 20, 0));
      context.diagnostic(`${attributes || "lines"}: drawn in ${Math.round(draw_ms)} ms of CPU, and plain work in ${Math.round(work_ms)}; ${hover} frames a second hovering, ${pan} panning`);
      assert.ok(draw_ms < MOST_WORK * work_ms, `${draw_ms} ms, and ${work_ms} ms of plain work`);
      await page.close();
    }
  } finally {
    await browser.close();
    await server.stop();
    site.stop();
  }
});

/** The data are there before the clock starts. */
function prepare() {
  const [step, steps] = [3600, 720];
  const to = Math.ceil(Date.now() / 1000 / step) * step;
  const times = Array.from({ length: steps }, (_, i) => to - (steps - i) * step);
  const series = Array.from({ length: 50 }, (_, k) => ({
    labels: { host: `host-${k}` },
    sum: times.map((_, i) => (i % 97 === k ? null : Math.round(1000 * (50 - k) * (1.2 + Math.sin(i / 30 + k)) + ((i * 7919) % 900)))),
  }));
  /** @type {any} */ (globalThis).month = { from: times[0], to, step, agg: ["sum"], times, series };
}

/** Plain work on the same data. */
function work() {
  const text = JSON.stringify(/** @type {any} */ (globalThis).month);
  for (let i = 0; i < 50; i++) JSON.parse(text);
}

/**
 * Frames per second while an action repeats.
 * @param {import("playwright-core").Page} page
 * @param {(i: number) => Promise<void>} move
 */
async function framesOf(page, move) {
  await page.evaluate(() => {
    const state = { frames: 0, began: performance.now(), isOn: true };
    const tick = () => state.isOn && ((state.frames += 1), requestAnimationFrame(tick));
    requestAnimationFrame(tick);
    /** @type {any} */ (globalThis).meter = state;
  });
  for (let i = 0; i < MOVES; i++) await move(i);
  return page.evaluate(() => {
    const { meter } = /** @type {any} */ (globalThis);
    meter.isOn = false;
    return Math.round((1000 * meter.frames) / (performance.now() - meter.began));
  });
}
