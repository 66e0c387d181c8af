// @ts-check

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { vendored } from "../../tools/vendor.mjs";

const file = await readFile(new URL("../../public/vendor/uplot/uPlot.esm.min.js", import.meta.url), "utf8");

test("the vendored uPlot is what tools/vendor.mjs makes", async () => {
  assert.equal(file, await vendored(), "run: node tools/vendor.mjs");
});

test("the vendored uPlot never asks for the browser's language", () => {
  assert.doesNotMatch(file, /\.languages?\b/);
});
