// @ts-check
/**
 * Makes public/vendor/uplot/uPlot.esm.min.js of the npm package: with what is mended below, and small.
 *
 *   node tools/vendor.mjs
 */

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { transform } from "esbuild";

const VENDORED = join(import.meta.dirname, "../public/vendor/uplot/uPlot.esm.min.js");
const BANNER = "/*! uPlot 1.6.32, MIT, https://github.com/leeoniya/uPlot; mended as tools/vendor.mjs says */";

/**
 * What the release does wrong, and what is there instead. `navigator.language` need not be a language: Chromium under
 * LANG=C.UTF-8 says `en-US@posix`, and then the module throws when it is imported. Without an argument Intl takes the same
 * language as the browser knows it. uPlot has it so after 1.6.32: https://github.com/leeoniya/uPlot/pull/1054.
 * @type {[string, string][]}
 */
const MENDED = [["new Intl.NumberFormat(domEnv ? nav.language : 'en-US')", "new Intl.NumberFormat()"]];

/** What the vendored file has to be. */
export async function vendored() {
  const path = createRequire(import.meta.url).resolve("uplot").replace("uPlot.cjs.js", "uPlot.esm.js");
  const source = MENDED.reduce(mend, await readFile(path, "utf8"));
  const { code } = await transform(source, { minify: true, format: "esm", banner: BANNER });
  return code;
}

/** @param {string} source @param {[string, string]} mended */
function mend(source, [wrong, right]) {
  if (source.split(wrong).length !== 2) throw new Error(`uPlot does not have, or has more than once: ${wrong}`);
  return source.replace(wrong, right);
}

if (process.argv[1] === import.meta.filename) await writeFile(VENDORED, await vendored());
