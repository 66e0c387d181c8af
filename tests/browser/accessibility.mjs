// @ts-check
/** The serious and critical violations that axe-core finds in a page. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @param {import("playwright-core").Page} page */
export async function assertAccessible(page) {
  // By the debugger, not as a script of the page: its CSP would refuse that.
  await page.evaluate(SOURCE);
  const { violations, passes } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run(document, { resultTypes: ["violations", "passes"] }));
  const serious = violations.filter((/** @type {any} */ { impact }) => impact === "serious" || impact === "critical");
  assert.ok(passes.length > 10, "axe looked at nothing");
  assert.deepEqual(serious.map((/** @type {any} */ { id, nodes }) => [id, nodes.map((/** @type {any} */ { html, failureSummary }) => `${html} ${failureSummary}`)]), []);
}
