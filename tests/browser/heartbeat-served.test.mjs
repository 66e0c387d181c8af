// @ts-check
/** heartbeat.js as served: its size, its headers, its cost for a page, strict pages, and the examples of its manual. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MAX_GZIPPED_BYTES, bundle, gzippedBytes } from "../../tools/build-browser.mjs";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, useScenes } from "./writing-page.mjs";

const ROOT = join(import.meta.dirname, "../..");

const scene = useScenes();
const manual = await readFile(join(ROOT, "docs/browser.md"), "utf8");

/** In the page. @type {any} */
let heartbeat;

/**
 * The code blocks of a language in the manual, for a real deployment and stream.
 * @param {string} language
 * @param {string} origin
 * @param {string} stream
 */
function blocks(language, origin, stream) {
  const found = [...manual.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, text]) => text);
  return found.map((text) => text.replaceAll("https://HOST", origin).replaceAll('"ID"', `"${stream}"`));
}

/** The directives that suffice, according to the manual. @param {string} origin */
function directives(origin) {
  const [, text] = /`(script-src https:\/\/HOST; connect-src https:\/\/HOST)`/.exec(manual) ?? [];
  return text.replaceAll("https://HOST", origin);
}

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  test("is at most 3 KB gzipped, as it is served", scene(async ({ gateway }, t) => {
    const response = await fetch(`${gateway.origin}/heartbeat.js`, { headers: { "Accept-Encoding": "identity" } });
    const served = await response.text();
    assert.equal(served, (await bundle())["heartbeat.js"], "public/heartbeat.js is not of these sources: run tools/build-browser.mjs");
    const bytes = gzippedBytes(served);
    t.diagnostic(`${bytes} bytes gzipped, ${served.length} as they are`);
    assert.ok(bytes <= MAX_GZIPPED_BYTES, `${bytes} bytes`);
  }));

  test("the script names its manual and licence, and its map has the sources", scene(async ({ gateway }) => {
    const served = await (await fetch(`${gateway.origin}/heartbeat.js`)).text();
    assert.match(served, /^\/\/ docs\/browser\.md\. MIT\.\n/);
    const [, name] = /\n\/\/# sourceMappingURL=(\S+)\s*$/.exec(served) ?? [];
    const response = await fetch(new URL(name, `${gateway.origin}/heartbeat.js`));
    assert.equal(response.status, 200);
    const { sources, sourcesContent } = await response.json();
    const own = await Promise.all(sources.map((/** @type {string} */ path) => readFile(join(ROOT, "public", path), "utf8")));
    assert.ok(sources.includes("../clients/browser/src/delivery.js"), `${sources}`);
    assert.deepEqual(sourcesContent, own);
  }));

  for (const name of ["heartbeat.js", "heartbeat.js.map", "heartbeat.mjs"]) {
    test(`${name} serves pages of all origins, cached for an hour`, scene(async ({ gateway }) => {
      const { status, headers } = await fetch(`${gateway.origin}/${name}`);
      assert.equal(status, 200);
      assert.match(headers.get("Content-Type") ?? "", name.endsWith(".map") ? /^application\/json/ : /^(text|application)\/javascript/);
      assert.equal(headers.get("Access-Control-Allow-Origin"), "*");
      assert.equal(headers.get("Cross-Origin-Resource-Policy"), "cross-origin");
      assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
      assert.equal(headers.get("Cache-Control"), "public, max-age=3600, stale-while-revalidate=86400");
    }));
  }

  for (const [what, headers] of /** @type {[string, (origin: string) => Record<string, string>][]} */ ([
    ["the documented directives suffice where everything else is forbidden", (origin) => ({ "Content-Security-Policy": `default-src 'none'; img-src data:; ${directives(origin)}` })],
    ["a page that is isolated from other origins can use it", () => ({ "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" })],
    ["a page that requires trusted types can use it", () => ({ "Content-Security-Policy": "require-trusted-types-for 'script'; trusted-types 'none'" })],
  ])) {
    test(what, scene(async ({ gateway, tag, open, totals }) => {
      const page = await open(tag({ ...QUIET, exceptions: "true", presence: "true", "page-views": "true" }), headers(gateway.origin));
      await page.evaluate(() => heartbeat.count(1, { event: "strict" }));
      await eventually(async () => {
        const { strict, page_view } = await totals("event");
        assert.deepEqual([strict?.sum, page_view?.sum], [1, 1]);
      });
      await page.evaluate(() => heartbeat.count(1, { event: "closed" }));
      await page.close();
      await eventually(async () => assert.equal((await totals("event")).closed?.sum, 1));
    }));
  }

  test("with crossorigin the tag works too", scene(async ({ gateway, tag, open, totals }) => {
    const page = await open(tag(QUIET).replace("<script ", '<script crossorigin="anonymous" '));
    await page.evaluate(() => heartbeat.count(1, { event: "x" }));
    await eventually(async () => assert.equal((await totals("event")).x?.sum, 1));
    assert.ok(gateway.seen.length > 0);
  }));

  test("the manual's examples work as they are", scene(async ({ gateway, site, stream, open, totals }) => {
    const flushed = async (/** @type {string} */ html) => (await open(html)).evaluate(() => heartbeat.flush());
    const [tag] = blocks("html", gateway.origin, stream.id);
    const [calls, module, early, vitals] = blocks("js", gateway.origin, stream.id);
    site.put("/early.js", { script: early });
    site.put("/calls.js", { script: `const search = async (text) => [text];\n${calls}` });
    await flushed(`<body data-section="news"><script src="/early.js"></script>${tag}<script type="module" src="/calls.js"></script>`);
    await eventually(async () => {
      assert.deepEqual(sums(await totals("event"), ["signup", "early", "page_view"]), { signup: 1, early: 1, page_view: 1 });
      assert.deepEqual(sums(await totals("section")), { news: (await totals(""))[""].sum });
      const { cache, search } = await totals("name");
      assert.deepEqual([cache.sum, search.count], [3, 2]);
    });

    site.put("/module.js", { script: module });
    await flushed(`<body data-section="module"><script type="module" src="/module.js"></script>`);
    await eventually(async () => assert.equal((await totals("event")).signup.sum, 2));

    // In place of the real library, which waits for the visitor, one that answers immediately.
    const library = ["CLS", "INP", "LCP"].map((name) => `export const on${name} = (report) => report({ name: "${name}", value: 7, rating: "good" });`);
    site.put("/web-vitals.js", { script: library.join("\n") });
    site.put("/vitals.js", { script: vitals.replace('"web-vitals"', '"/web-vitals.js"') });
    await flushed(`${tag}<script type="module" src="/vitals.js"></script>`);
    await eventually(async () => assert.deepEqual(sums(await totals("vital"), ["CLS", "INP", "LCP"]), { CLS: 7, INP: 7, LCP: 7 }));
  }));

  test("the options in the manual are those of the script", async () => {
    const { "heartbeat.js.map": map } = await bundle();
    const source = JSON.parse(map).sourcesContent.join("\n");
    const rows = [...manual.matchAll(/^\| (?:`data-([\w-]+)`)? *\| `(\w+)` \| ([^|]*)\|/gm)].map(([, attribute, option, value]) => ({ attribute, option, value }));
    assert.equal(rows.length, 14);
    for (const { attribute, option, value } of rows) {
      if (attribute) assert.equal(attribute.replace(/-(\w)/g, (_, letter) => letter.toUpperCase()), option);
      assert.match(source, new RegExp(`\\b${option}\\b`));
      const [, text] = /^`([^`]*)`$/.exec(value.trim()) ?? [];
      if (text === "true") assert.match(source, new RegExp(`\\b${option} \\?\\? true\\b`));
      else if (text && text !== "false") assert.match(source, new RegExp(`\\b${option}: ${text}\\b`));
    }
  });
});

/** @param {Record<string, { sum: number }>} totals @param {string[]} [names] */
function sums(totals, names = Object.keys(totals).filter(Boolean)) {
  return Object.fromEntries(names.map((name) => [name, totals[name]?.sum]));
}
