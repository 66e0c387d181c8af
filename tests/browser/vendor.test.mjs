// @ts-check

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { transform } from "esbuild";

test("what is vendored is what the package says, made small", async () => {
  const source = await readFile(createRequire(import.meta.url).resolve("uplot").replace("uPlot.cjs.js", "uPlot.esm.js"), "utf8");
  const banner = "/*! uPlot 1.6.32, MIT, https://github.com/leeoniya/uPlot */";
  const { code } = await transform(source, { minify: true, format: "esm", banner });
  const vendored = await readFile(new URL("../../public/vendor/uplot/uPlot.esm.min.js", import.meta.url), "utf8");
  assert.equal(vendored, code, `run: esbuild node_modules/uplot/dist/uPlot.esm.js --minify --format=esm --banner:js='${banner}' --outfile=public/vendor/uplot/uPlot.esm.min.js`);
});
