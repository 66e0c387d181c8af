// @ts-check
/** For tests of the reader page: its address, its table, and points to read. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "./visitor.mjs";

/** @import { Visitor } from "./visitor.mjs" */
/** @import { Stream, Worker } from "./worker.mjs" */

/**
 * Tests of one visit each; nothing may be wrong at the end.
 * @param {() => import("playwright-core").Browser} browser
 */
export function scenes(browser) {
  /**
   * @param {string} name
   * @param {(visitor: Visitor) => Promise<void>} story
   * @param {import("playwright-core").BrowserContextOptions} [options]
   */
  return (name, story, options) =>
    test(name, async () => {
      const visitor = await visit(browser(), options);
      try {
        await story(visitor);
        visitor.assertClean();
      } finally {
        await visitor.close();
      }
    });
}

/** @param {Worker} worker @param {Stream} stream @param {string | Record<string, string>} [query] */
export function pageOf(worker, stream, query = "") {
  return `${worker.origin}/?${new URLSearchParams([["stream", stream.id], ...new URLSearchParams(query)])}#key=${stream.read_key}`;
}

/**
 * The visible cells of a chart's table, by row, without the boxes.
 * @param {import("playwright-core").Page} page
 * @param {number} [chart]
 * @returns {Promise<Record<string, string>[]>}
 */
export function totals(page, chart = 0) {
  return page.locator("article.chart").nth(chart).locator("table.totals").evaluateAll(([table]) => {
    const isSeen = (/** @type {Element} */ el) => el.checkVisibility();
    if (!table || !isSeen(table)) return [];
    const text = (/** @type {Element} */ el) => String(el.textContent).trim();
    const heads = Array.from(table.querySelectorAll("thead th"));
    return Array.from(table.querySelectorAll("tbody tr"), (tr) =>
      Object.fromEntries(Array.from(tr.children, (cell, i) => [String(/** @type {HTMLElement} */ (heads[i]).dataset.column), text(cell), cell]).filter(([, , cell]) => isSeen(/** @type {Element} */ (cell))).map(([name, words]) => [name, words])),
    );
  });
}

/** Name and total of each row. @param {import("playwright-core").Page} page @param {number} [chart] */
export async function sums(page, chart) {
  return Object.fromEntries((await totals(page, chart)).map(({ name, summary }) => [name, summary]));
}

/**
 * The data of the first chart, as soon as chart and table show them: both are drawn in the frame after a change.
 * @param {import("playwright-core").Page} page
 * @returns {Promise<import("../../public/live/view.mjs").View>}
 */
export function dataOf(page) {
  return page.locator("heartbeat-chart").evaluate(async (/** @type {any} */ el) => {
    await new Promise(requestAnimationFrame);
    return el.data;
  });
}

/**
 * The data of the first chart, and what `read` finds on the page, of one moment; it fails where a step ends meanwhile.
 * @template T
 * @param {import("playwright-core").Page} page
 * @param {(page: import("playwright-core").Page) => Promise<T>} read
 */
export async function settled(page, read) {
  const before = await dataOf(page);
  const said = await read(page);
  const data = await dataOf(page);
  assert.deepEqual([data?.from, data?.to, data?.until], [before?.from, before?.to, before?.until], "a step ended meanwhile");
  return { data, said };
}

/** @param {import("playwright-core").Page} page @param {number} [chart] */
export function card(page, chart = 0) {
  return page.locator("article.chart").nth(chart);
}

/** @param {import("playwright-core").Page} page @param {string} kind */
export function chooseKind(page, kind) {
  return card(page).getByRole("radio", { name: kind }).click();
}
