// @ts-check
/** Reading live from the real Worker, in a page of another origin whose policy is the one that docs/reader.md names. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { chance } from "./chance.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { startSite } from "./chart-site.mjs";
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
 * @param {(scene: Visitor & { stream: Stream, go: (html: string, head?: string) => Promise<void> }) => Promise<void>}
 *   story
 * @param {{ mayFail?: boolean }} [options] a Worker that is away is an error in the console
 */
function scene(name, story, { mayFail = false } = {}) {
  test(name, async () => {
    const stream = await worker.createStream();
    const site = await startSite(worker.origin);
    const visitor = await visit(browser);
    /** @param {string} html @param {string} [head] */
    const go = async (html, head) => {
      site.show(html, head);
      await visitor.page.goto(site.url);
    };
    try {
      await story({ ...visitor, stream, go });
      if (!mayFail) visitor.assertClean();
    } finally {
      await visitor.close();
      site.stop();
    }
  });
}

/**
 * Points of several groups: instants and periods, now, late and a little ahead; whole numbers add up exactly.
 * @param {ReturnType<typeof chance>} random
 */
function somePoints({ whole, next }) {
  return Array.from({ length: whole(1, 20) }, () => ({
    n: whole(0, 100) * 64,
    d: whole(0, 3),
    ...(next() < 0.3 && { p: 2 ** whole(0, 9) }),
    t: Math.floor(Date.now() / 1000) + whole(-900, 50),
    v: { country: ["US", "DE", "FR"][whole(0, 3)], page: `/${whole(0, 2)}` },
  }));
}

/**
 * The reader's window, and the Worker's rollup of the same time.
 * @param {Visitor} visitor
 * @param {Stream} stream
 * @param {string} query
 */
async function assertSame({ page }, stream, query) {
  await eventually(async () => {
    const view = await page.evaluate(() => /** @type {any} */ (globalThis).s.view);
    const { from, to, step, agg, times, series } = await worker.rollup(stream, `${query}&from=${view.from}&to=${view.to}`);
    const byLabels = (/** @type {any[]} */ all) => all.map(rounded).sort((a, b) => (JSON.stringify(a.labels) < JSON.stringify(b.labels) ? -1 : 1));
    assert.deepEqual([view.from, view.to, view.step, view.agg, view.times], [from, to, step, agg, times]);
    assert.deepEqual(byLabels(view.series), byLabels(series));
  });
}

/**
 * Sums of parts of a period differ in the last bits, as they are added in another order.
 * @param {Record<string, any>} series
 */
function rounded({ labels, ...columns }) {
  const round = (/** @type {number | null} */ value) => (value === null ? null : Number(value.toPrecision(10)));
  return { labels, ...Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.map(round)])) };
}

/** Opens a reader in the page, as `s`. @param {Visitor} visitor @param {Stream} stream @param {object} options */
async function open({ page }, { id, read_key }, options) {
  await page.evaluate(async ({ origin, options }) => {
    const heartbeat = await import(`${origin}/reader.mjs`);
    /** @type {any} */ (globalThis).s = heartbeat.open(options);
  }, { origin: worker.origin, options: { stream: id, key: read_key, ...options } });
  await eventually(async () => assert.equal(await stateOf(page), "live"));
}

/** @param {Visitor["page"]} page */
const stateOf = (page) => page.evaluate(() => /** @type {any} */ (globalThis).s.state);

scene("a reader's window equals the rollup, whatever is written", async (visitor) => {
  const { stream, go } = visitor;
  const random = chance(3);
  await worker.write(stream, somePoints(random));
  await go("");
  await open(visitor, stream, { by: "country", agg: "sum,ratio,rate,count,min,max,p50", window: "10m" });
  assert.equal(await visitor.page.evaluate(() => /** @type {any} */ (globalThis).s.way), "websocket");
  for (let i = 0; i < 6; i++) {
    await worker.write(stream, somePoints(random));
    await assertSame(visitor, stream, "by=country&agg=sum,ratio,rate,count,min,max,p50&step=10s");
  }
});

scene("matchers and wider steps are followed too", async (visitor) => {
  const { stream, go } = visitor;
  const random = chance(4);
  await worker.write(stream, somePoints(random));
  await go("");
  await open(visitor, stream, { by: ["country", "page"], where: ["country!=US"], step: "1m", window: "30m" });
  for (let i = 0; i < 3; i++) {
    await worker.write(stream, somePoints(random));
    await assertSame(visitor, stream, "by=country,page&where=country!%3DUS&step=1m");
  }
});

scene("a point ahead of time appears when its step begins", async (visitor) => {
  const { go, page } = visitor;
  // The page must look before the step begins: a slow machine gets more time.
  for (const ahead_s of [15, 30, 55]) {
    const stream = await worker.createStream();
    const t = Math.floor(Date.now() / 1000) + ahead_s;
    await worker.write(stream, [{ n: 7, t }]);
    await go("");
    await open(visitor, stream, { window: "10m" });
    const { series, now_s } = await page.evaluate(() => ({ series: /** @type {any} */ (globalThis).s.series, now_s: Date.now() / 1000 }));
    if (now_s >= t - (t % 10)) continue;
    assert.deepEqual(series, []);
    await eventually(async () => assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).s.totals[0]?.sum), 7));
    return assertSame(visitor, stream, "step=10s");
  }
  assert.fail("the step began before each look");
});

scene("if sockets are blocked, events are used, or else polling", async (visitor) => {
  const { stream, go, page } = visitor;
  const random = chance(5);
  for (const [way, missing] of /** @type {const} */ ([["events", ["WebSocket"]], ["deltas", ["WebSocket", "EventSource"]]])) {
    await go("");
    await page.evaluate((missing) => missing.forEach((name) => void delete (/** @type {any} */ (globalThis)[name])), [...missing]);
    await open(visitor, stream, { by: "country", window: "10m" });
    assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).s.way), way);
    for (let i = 0; i < 3; i++) {
      await worker.write(stream, somePoints(random));
      await assertSame(visitor, stream, "by=country&step=10s");
    }
  }
});

scene("a Worker restart loses no point and counts none twice", async (visitor) => {
  const { stream, go, page, rows } = visitor;
  const random = chance(6);
  await worker.write(stream, somePoints(random));
  await go(`<heartbeat-chart stream="${stream.id}" key="${stream.read_key}" by="country" window="10m"></heartbeat-chart>`);
  await open(visitor, stream, { by: "country", window: "10m" });
  for (let i = 0; i < 2; i++) {
    await worker.write(stream, somePoints(random));
    await worker.restart(async () => void (await page.getByText("Offline, trying again").waitFor()));
    await worker.write(stream, somePoints(random));
    await eventually(async () => assert.equal(await stateOf(page), "live"));
    await assertSame(visitor, stream, "by=country&step=10s");
  }
  await eventually(async () => {
    const view = await page.evaluate(() => /** @type {any} */ (globalThis).s.view);
    const totals = Object.fromEntries((await rows()).map(([name, , , total]) => [name, Number(total.replaceAll(",", ""))]));
    for (const [i, { labels }] of view.series.entries()) assert.equal(totals[labels.country], Math.round(view.totals[i].sum * 1000) / 1000);
  });
}, { mayFail: true });

scene("replacing the key ends the chart with an explanation", async ({ stream, go, page, rows }) => {
  await worker.write(stream, [{ n: 1 }]);
  await go(`<heartbeat-chart stream="${stream.id}" key="${stream.read_key}"></heartbeat-chart>`);
  await eventually(async () => assert.equal((await rows()).length, 1));
  await worker.replaceKey(stream);
  await page.getByText("This read key does not open the stream").waitFor();
}, { mayFail: true });

scene("a wrong key and a missing stream are reported", async ({ stream, go, page }) => {
  await go(`<heartbeat-chart stream="${stream.id}" key="rk_wrong"></heartbeat-chart>`);
  await page.getByText("This read key does not open the stream").waitFor();
  await go(`<heartbeat-chart stream="forged" key="rk_wrong"></heartbeat-chart>`);
  await page.getByText("No such stream", { exact: true }).waitFor();
}, { mayFail: true });

scene("the largest of 2,000 series appear, and the rest is noted", async ({ stream, go, page, rows }) => {
  for (let k = 0; k < 2; k++) await worker.write(stream, Array.from({ length: 1000 }, (_, i) => ({ n: 1, v: { host: `host-${k}-${i}` } })));
  await go(`<heartbeat-chart stream="${stream.id}" key="${stream.read_key}" by="host" window="10m"></heartbeat-chart>`);
  await eventually(async () => assert.equal((await rows()).length, 101));
  await page.getByText("The 100 largest series; the rest is “all others”.").waitFor();
  assert.equal((await rows()).reduce((sum, [, , , total]) => sum + Number(total.replace(",", "")), 0), 2000);
}, { mayFail: true });

scene("the examples of docs/reader.md work", async (visitor) => {
  const { stream, go, page } = visitor;
  await worker.write(stream, [{ n: 5, v: { country: "US" } }]);
  const document = await readFile(new URL("../../docs/reader.md", import.meta.url), "utf8");
  const example = (/** @type {string} */ language) => {
    const [, code] = document.split(`\`\`\`${language}\n`);
    return code.split("```")[0].replaceAll("$URL", worker.origin).replaceAll("$ID", stream.id).replaceAll("$KEY", stream.read_key);
  };
  await go(example("html"), "");
  await page.getByRole("heading", { name: "Sum of n by country" }).waitFor();
  await eventually(async () => assert.deepEqual(await page.locator("heartbeat-chart[kind=number] dd").allInnerTexts(), ["1"]));

  const said = /** @type {string[]} */ ([]);
  page.on("console", (message) => said.push(message.text()));
  const dynamic = example("js").replace(/import \* as (\w+) from (".*?");/, "const $1 = await import($2);");
  await page.evaluate(`(async () => { ${dynamic} })()`);
  await eventually(async () => assert.ok(said.includes("US null") || said.includes("US 5"), said.join()));
});
