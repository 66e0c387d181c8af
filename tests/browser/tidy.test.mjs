// @ts-check
/** Rules that the JavaScript of the project keeps, and no compiler checks. tests/tidy.rs has those of the Rust code. */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const MAX_COMMENT_CHARS = 120;
/** Most modules have less than half of it. */
const MAX_LINES = 420;

/** Minified by tools/vendor.mjs and tools/build-browser.mjs. */
const MADE = /^public\/(vendor\/|heartbeat\.js$)/;

const FOLDERS = "{public,clients/browser,tools,tests/browser,tests/types,benches/browser}";
const modules = globSync(`${FOLDERS}/**/*.{js,mjs,ts}`, { cwd: ROOT })
  .filter((path) => !MADE.test(path))
  .map((path) => ({ path, lines: readFileSync(join(ROOT, path), "utf8").split("\n") }));
const packages = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

test("every npm dependency has its reason in package.json", () => {
  const { reasons, devDependencies, optionalDependencies } = packages;
  const names = Object.keys({ ...devDependencies, ...optionalDependencies }).sort();
  assert.deepEqual(Object.keys(reasons).sort(), names);
});

test("no comment is wider than 120 characters", () => {
  const isComment = (/** @type {string} */ line) => /^\s*(\/\/|\/\*|\*)/.test(line);
  const wide = modules.flatMap(({ path, lines }) => lines.flatMap((line, i) => (isComment(line) && line.length > MAX_COMMENT_CHARS ? [`${path}:${i + 1}`] : [])));
  assert.deepEqual(wide, []);
});

test("the reader page preloads exactly the modules that it begins with", () => {
  const loaded = new Set();
  const load = (/** @type {string} */ path) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    const text = readFileSync(join(ROOT, "public", path), "utf8");
    for (const [, imported] of text.matchAll(/^(?:import|export) [^;"]*?"(\.[^"]+)";/gm)) load(join(path, "..", imported));
  };
  load("reader/main.js");
  const page = readFileSync(join(ROOT, "public/index.html"), "utf8");
  const preloaded = Array.from(page.matchAll(/rel="modulepreload" href="\/([^"]+)"/g), ([, path]) => path);
  assert.deepEqual([...preloaded, "reader/main.js"].sort(), [...loaded].sort());
});

test("no module is too long", () => {
  assert.deepEqual(modules.filter(({ lines }) => lines.length > MAX_LINES).map(({ path }) => path), []);
});

test("a served name means one thing: one module exports it", () => {
  const homes = new Map();
  for (const { path, lines } of modules.filter((one) => /^(public|clients)\//.test(one.path) && !one.path.endsWith(".d.ts"))) {
    for (const line of lines) {
      const [, name] = /^export (?:async )?(?:function|const|let|class) (\w+)/.exec(line) ?? [];
      if (name) homes.set(name, [...(homes.get(name) ?? []), path]);
    }
  }
  assert.deepEqual([...homes].filter(([, paths]) => paths.length > 1), []);
});
