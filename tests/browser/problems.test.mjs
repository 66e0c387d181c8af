// @ts-check

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const TYPES = [
  "invalid-request", "invalid-points", "unauthorized", "origin-not-allowed", "creating-disabled", "not-found",
  "method-not-allowed", "conflict", "too-large", "unsupported-media-type", "query-too-large", "rate-limited", "overloaded", "unavailable",
  "not-configured", "internal",
];

test("every problem type has its explanation, and nothing else has", async () => {
  const page = await readFile(new URL("../../public/problems.html", import.meta.url), "utf8");
  assert.deepEqual(Array.from(page.matchAll(/<section id="([^"]+)">/g), ([, id]) => id), TYPES);
});
