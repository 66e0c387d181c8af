// @ts-check
/** The summaries of a window on the reader page: live and fixed ranges have the same words and numbers. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { card, dataOf, pageOf, scenes, settled, totals } from "./reading.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Stream, Worker } from "./worker.mjs" */
/** @import { Page } from "playwright-core" */

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

/** An hour with room on either side: points that come to its ends during a test change nothing. */
const HOUR_S = 3600;

/** @param {Page} page */
async function summary(page) {
  const rows = await totals(page);
  assert.ok(rows.length > 0, "nothing is shown");
  return {
    title: await card(page).locator("th[data-column=summary]").innerText(),
    sorted: await card(page).locator("th[aria-sort]").evaluateAll((all) => all.map((th) => [/** @type {HTMLElement} */ (th).dataset.column, th.getAttribute("aria-sort")])),
    rows: rows.map(({ name, latest, summary }) => ({ name, latest, summary })),
  };
}

/** Steps of a minute, so that few tries see a step end; a slow machine takes seconds for each page. */
const LIVE = { from: "-6h" };
const MOST_TRIES = 10;

/**
 * The page with a live range, then with a fixed one: both must have these rows. A step that ends meanwhile is in only
 * one of them, so it tries again.
 * @param {Page} page
 * @param {Stream} stream
 * @param {Record<string, string>} query
 * @param {(said: Awaited<ReturnType<typeof summary>>) => void} check
 */
async function sameInBoth(page, stream, query, check) {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    await page.goto(pageOf(worker, stream, { ...LIVE, ...query }));
    const live = await eventually(async () => {
      const shown = await settled(page, summary);
      check(shown.said);
      return shown;
    });
    const { from, to, step, until } = live.data;
    await page.goto(pageOf(worker, stream, { ...query, from: String(from + 1), to: String(to - 1) }));
    const fixed = await eventually(async () => {
      const shown = await settled(page, summary);
      assert.equal(shown.said.rows.length, live.said.rows.length);
      return shown;
    });
    assert.deepEqual([fixed.data.from, fixed.data.to, fixed.data.step], [from, to, step]);
    if (fixed.data.until === until) return assert.deepEqual(fixed.said, live.said);
  }
  assert.fail(`a step ended in each of ${MOST_TRIES} tries`);
}

/** 3 errors in 1,000 requests, and 1 in 3 a moment later: no mean of steps is the ratio of both. */
async function unevenStream() {
  const stream = await worker.createStream();
  const t = Math.floor(Date.now() / 1000) - 1200;
  const points = ["US", "DE", "BR"].flatMap((country, i) => [
    { n: 3 + i, d: 1000, t, v: { country, client: `${country}-1` } },
    { n: 1, d: 3, t: t + 300, v: { country, client: `${country}-2` } },
    { n: 0, d: 50 * i, t: t + 600, v: { country, client: `${country}-2` } },
  ]);
  await worker.write(stream, points);
  return stream;
}

for (const [agg, title, all] of /** @type {const} */ ([
  ["ratio", "Overall", "0.004748"],
  ["sum", "Total", "15"],
  ["count", "Total", "9"],
  ["min", "Lowest", "0"],
  ["max", "Highest", "0.3333"],
  ["p95", "Highest", "0.3333"],
  ["rate", "Average", "0.004155"],
])) {
  scene(`${agg} has the same summary live and in a fixed range`, async ({ page }) => {
    const stream = await unevenStream();
    await sameInBoth(page, stream, { agg }, (said) => {
      assert.equal(said.title.replace(/\W/g, ""), title);
      if (agg !== "rate") assert.deepEqual(said.rows.map(({ summary }) => summary), [all]);
    });
    await sameInBoth(page, stream, { agg, by: "country" }, ({ rows, sorted }) => {
      assert.equal(rows.length, 3);
      assert.deepEqual(sorted, [["summary", "descending"]]);
      const numbers = rows.map(({ summary }) => Number(summary));
      assert.deepEqual(numbers, numbers.toSorted((a, b) => b - a));
    });
  });
}

scene("a window's ratio is its sum of n over its sum of d", async ({ page }) => {
  const stream = await worker.createStream();
  const t = Math.floor(Date.now() / 1000) - 5 * HOUR_S;
  await worker.write(stream, [{ n: 1, d: 3, t, v: { a: "x" } }, { n: 4, d: 847, t: t + 60, v: { a: "x" } }, { n: 0, d: 100, t: t + 120, v: { a: "y" } }, { n: 1, d: 4, t: t + 120, v: { a: "y" } }]);
  const range = { from: String(t - 600), to: String(t + 600), agg: "ratio" };
  await page.goto(pageOf(worker, stream, range));
  await eventually(async () => assert.deepEqual((await summary(page)).rows.map(({ summary }) => summary), [String(Number((6 / 954).toPrecision(4)))]));
  await page.goto(pageOf(worker, stream, { ...range, by: "a" }));
  await eventually(async () => assert.deepEqual((await summary(page)).rows.map(({ name, summary }) => [name, summary]), [["y", "0.009615"], ["x", "0.005882"]]));
  await page.goto(pageOf(worker, stream, { ...range, kind: "number" }));
  await eventually(async () => assert.deepEqual(await page.locator(".numbers dd").allInnerTexts(), ["0.006289"]));
});

scene("live and fixed views have the same rest", async ({ page }) => {
  const stream = await worker.createStream();
  const t = Math.floor(Date.now() / 1000) - 1800;
  await worker.write(stream, Array.from({ length: 40 }, (_, i) => ({ n: (i % 12) + 1, d: 1 + (i % 3) * 10, t: t + 30 * (i % 4), v: { host: `h${i % 12}` } })));
  for (const agg of ["sum", "ratio", "min", "max", "count", "p50", "rate"]) {
    await sameInBoth(page, stream, { agg, by: "host", top: "8" }, ({ rows }) => {
      assert.equal(rows.length, agg === "p50" ? 8 : 9, agg);
      if (agg !== "p50") assert.equal(rows[8].name, "all others");
    });
  }
});

scene("each of several aggregates has its own name", async ({ page }) => {
  const stream = await unevenStream();
  await sameInBoth(page, stream, { agg: "sum,ratio,p50" }, ({ title, rows }) => {
    assert.equal(title.replace(/\W/g, ""), "Summary");
    assert.deepEqual(Object.fromEntries(rows.map(({ name, summary }) => [name, summary])), { sum: "total 15", ratio: "overall 0.004748", p50: "highest 0.3333" });
  });
});

scene("distinct counts are called the same in both views", async ({ page }) => {
  const stream = await worker.createStream("people", { distinct: ["client"] });
  const t = Math.floor(Date.now() / 1000) - 900;
  await worker.write(stream, ["a", "b", "c", "a"].map((client, i) => ({ n: 1, t: t + (i > 1 ? 120 : 0), v: { client } })));
  await sameInBoth(page, stream, { agg: "distinct:client" }, ({ title, rows }) => {
    assert.equal(title.replace(/\W/g, ""), "Highest");
    assert.deepEqual(rows.map(({ summary }) => summary), ["2"]);
  });
});

scene("a ratio is compared with the period's before, in both views", async ({ page }) => {
  const stream = await worker.createStream();
  const t = Math.floor(Date.now() / 1000) - 1800;
  await worker.write(stream, [{ n: 1, d: 10, t }, { n: 5, d: 10, t: t + 60 }, { n: 1, d: 100, t: t - HOUR_S }, { n: 7, d: 20, t: t - HOUR_S + 60 }]);
  const compared = () => eventually(async () => assert.deepEqual((await totals(page)).map(({ summary, before, change }) => [summary, before, change]), [["0.3", "0.06667", "+350 %"]]));
  await page.goto(pageOf(worker, stream, { agg: "ratio", compare: "" }));
  await compared();
  const { from, to } = await dataOf(page);
  await page.goto(pageOf(worker, stream, { agg: "ratio", compare: "", from: String(from + 1), to: String(to - 1) }));
  await compared();
});
