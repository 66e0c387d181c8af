// @ts-check
/**
 * Makes public/heartbeat.js, the writer that pages load, from clients/browser/src: esbuild bundles it, terser minifies
 * it, and a source map contains the sources. tools/build.sh and the tests use it; it needs no Rust.
 *
 *   node tools/build-browser.mjs
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const ROOT = join(import.meta.dirname, "..");
const PUBLIC = join(ROOT, "public");
const NAME = "heartbeat.js";
const MAP = `${NAME}.map`;
/** 3 KB, by either definition. */
export const MAX_GZIPPED_BYTES = 3000;

/**
 * The size of the served file, always measured with the gzip of Node's zlib at level 9.
 * @param {string | Uint8Array} served
 */
export function gzippedBytes(served) {
  return gzipSync(served, { level: 9 }).length;
}

/** Both files, by name. @returns {Promise<Record<string, string>>} */
export async function bundle() {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["clients/browser/src/heartbeat.js"],
    outfile: join(PUBLIC, NAME),
    write: false,
    bundle: true,
    format: "iife",
    charset: "utf8",
    // The syntax of Chrome 85, Firefox 79 and Safari 14, as docs/browser.md promises.
    target: "es2021",
    // Otherwise esbuild reads tsconfig.json, which is for types.
    tsconfigRaw: "{}",
    legalComments: "none",
    sourcemap: "external",
  });
  const text = (/** @type {string} */ name) => outputFiles.find(({ path }) => path.endsWith(name))?.text ?? "";
  const { code, map } = await minify(
    { [NAME]: text(NAME) },
    {
      ecma: 2020,
      compress: { passes: 2, inline: 1, unsafe_arrows: true, booleans_as_integers: true, pure_getters: true },
      format: { preamble: "// docs/browser.md. MIT." },
      sourceMap: { content: text(MAP), filename: NAME, url: MAP, includeSources: true },
    },
  );
  if (code === undefined || typeof map !== "string") throw new Error("terser made nothing");
  return { [NAME]: code, [MAP]: map };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await bundle();
  for (const [name, text] of Object.entries(files)) {
    const path = join(PUBLIC, name);
    // A development server watches the folder: an unchanged file must not be written.
    if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
  }
  const served = files[NAME];
  console.log(`build: public/${NAME} has ${Buffer.byteLength(served)} bytes, ${gzippedBytes(served)} gzipped, at most ${MAX_GZIPPED_BYTES}`);
}
