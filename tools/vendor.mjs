// @ts-check
/**
 * Makes public/vendor/uplot/uPlot.esm.min.js from the npm package: fixed, without unused parts, and minified.
 *
 *   node tools/vendor.mjs
 */

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { minify } from "terser";

const VENDORED = join(import.meta.dirname, "../public/vendor/uplot/uPlot.esm.min.js");
const BANNER = "/*! uPlot 1.6.32, MIT, https://github.com/leeoniya/uPlot; changed as tools/vendor.mjs says */";

/**
 * Changes of the release.
 *
 * `navigator.language` need not be a language: Chromium under LANG=C.UTF-8 reports `en-US@posix`, and then importing
 * the module throws. Without an argument Intl takes the same language as the browser does. After 1.6.32 uPlot has the
 * same fix: https://github.com/leeoniya/uPlot/pull/1054.
 *
 * The chart has a legend and bars of its own, and draws no steps, curves, scatter plots or logarithmic scales. Terser
 * removes the code that nothing here can reach: 5 KB gzipped that each visitor would load.
 * @type {[string | RegExp, string, number?][]} what to find, its replacement, and how often it occurs if not once
 */
const CHANGES = [
  ["new Intl.NumberFormat(domEnv ? nav.language : 'en-US')", "new Intl.NumberFormat()"],
  ["(paths.stepped = stepped);", ""],
  ["(paths.bars    = bars);", ""],
  ["(paths.spline  = monotoneCubic);", ""],
  ["uPlot.join = join;", ""],
  ["const showLegend = legend.show;", "const showLegend = false;"],
  ["const mode = self.mode;", "const mode = 1;"],
  [/\bw?sc\.distr == +[34]/, "false", 11],
];

/** The contents that the vendored file must have. */
export async function vendored() {
  const path = createRequire(import.meta.url).resolve("uplot").replace("uPlot.cjs.js", "uPlot.esm.js");
  const source = CHANGES.reduce(change, await readFile(path, "utf8"));
  const { code } = await minify(source, { module: true, ecma: 2020, compress: { passes: 3, unsafe_arrows: true }, format: { comments: false, preamble: BANNER } });
  return `${code}\n`;
}

/** @param {string} source @param {[string | RegExp, string, number?]} change */
function change(source, [found, replacement, times = 1]) {
  const parts = source.split(found);
  if (parts.length - 1 !== times) throw new Error(`uPlot has ${found} ${parts.length - 1} times, not ${times}`);
  return parts.join(replacement);
}

if (process.argv[1] === import.meta.filename) await writeFile(VENDORED, await vendored());
