// @ts-check

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { vendored } from "../../tools/vendor.mjs";

const file = await readFile(new URL("../../public/vendor/uplot/uPlot.esm.min.js", import.meta.url), "utf8");

test("what is vendored is what the package says, mended and made small", async () => {
  assert.equal(file, await vendored(), "run: node tools/vendor.mjs");
});

test("what is vendored asks the browser for no language", () => {
  assert.doesNotMatch(file, /\.languages?\b/);
});
