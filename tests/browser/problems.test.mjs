// @ts-check

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { assertAccessible } from "./accessibility.mjs";
import { launch } from "./chromium.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

const TYPES = [
  "invalid-request", "invalid-points", "unauthorized", "origin-not-allowed", "blocked", "creating-disabled", "not-found",
  "method-not-allowed", "request-timeout", "conflict", "too-large", "unsupported-media-type", "query-too-large", "rate-limited", "overloaded", "unavailable",
  "not-configured", "internal",
];

test("exactly the problem types have explanations", async () => {
  const page = await readFile(new URL("../../public/problems.html", import.meta.url), "utf8");
  assert.deepEqual(Array.from(page.matchAll(/<section id="([^"]+)">/g), ([, id]) => id), TYPES);
});

test("axe-core finds nothing serious", async () => {
  const worker = await startWorker();
  const browser = await launch();
  try {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      const { page } = await visit(browser, { colorScheme });
      await page.goto(`${worker.origin}/problems`);
      await assertAccessible(page);
    }
  } finally {
    await browser.close();
    await worker.stop();
  }
});
