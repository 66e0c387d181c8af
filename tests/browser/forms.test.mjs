// @ts-check
/**
 * Pages without JavaScript write to a stream from another origin: the form that docs/api.md shows, in a real browser.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Worker } from "./worker.mjs" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
let body = "";
/** @type {Record<string, string>} */
let headers = {};
const site = createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/html", ...headers });
  response.end(`<!doctype html><title>${request.url}</title>${body}`);
});

before(async () => {
  await once(site.listen(0, "127.0.0.1"), "listening");
  worker = await startWorker();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
  site.close();
});

/** The form of the document, which writes to this stream. @param {{ id: string }} stream */
async function form(stream) {
  const document = await readFile(new URL("../../docs/api.md", import.meta.url), "utf8");
  const [, found] = /```html\n(<form[^]*?<\/form>)\n```/.exec(document) ?? [];
  assert.ok(found?.includes("https://HOST/v1/streams/ID/points"));
  return found.replace("https://HOST", worker.origin).replace("/ID/", `/${stream.id}/`);
}

/** A visitor of the site without JavaScript. */
async function visitWithout() {
  const visitor = await visit(browser, { javaScriptEnabled: false });
  const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
  const origin = `http://127.0.0.1:${port}`;
  await visitor.page.goto(`${origin}/docs`);
  return { ...visitor, origin };
}

test("a form is counted, and the page stays where it is", async () => {
  const stream = await worker.createStream();
  [body, headers] = [await form(stream), {}];
  const visitor = await visitWithout();
  await visitor.page.getByText("Yes").click();
  await eventually(async () => assert.equal(await worker.count(stream), 1));
  await visitor.page.getByText("No").click();
  await eventually(async () => assert.equal(await worker.count(stream), 2));
  assert.equal(visitor.page.url(), `${visitor.origin}/docs`);
  visitor.assertClean();
  await visitor.close();
});

test("a form with `then` leads to a page of its own site", async () => {
  const stream = await worker.createStream();
  body = (await form(stream)).replace("</form>", '<input type="hidden" name="then" value="/thanks?a=1"></form>');
  headers = { "Content-Security-Policy": `default-src 'none'; form-action 'self' ${worker.origin}` };
  const visitor = await visitWithout();
  await visitor.page.getByText("Yes").click();
  await visitor.page.waitForURL(`${visitor.origin}/thanks?a=1`);
  assert.equal(await worker.count(stream), 1);
  visitor.assertClean();
  await visitor.close();
});

test("a page that hides its origin stays where it is", async () => {
  const stream = await worker.createStream();
  body = (await form(stream)).replace("</form>", '<input type="hidden" name="then" value="/thanks"></form>');
  headers = { "Referrer-Policy": "no-referrer" };
  const visitor = await visitWithout();
  await visitor.page.getByText("No").click();
  await eventually(async () => assert.equal(await worker.count(stream), 1));
  assert.equal(visitor.page.url(), `${visitor.origin}/docs`);
  await visitor.close();
});

test("a beacon of fields counts, and an image without JavaScript", async () => {
  const stream = await worker.createStream();
  const url = `${worker.origin}/v1/streams/${stream.id}`;
  [body, headers] = [`<noscript><img alt="" src="${url}/pixel.gif?n=1&amp;v.page=%2Fdocs"></noscript>`, {}];
  const without = await visitWithout();
  await eventually(async () => assert.equal(await worker.count(stream), 1));
  without.assertClean();
  await without.close();
  const visitor = await visit(browser);
  await visitor.page.goto(`${without.origin}/`);
  const send = (/** @type {string} */ to) => navigator.sendBeacon(to, new URLSearchParams({ n: "1", "v.page": "/" }));
  assert.equal(await visitor.page.evaluate(send, `${url}/points`), true);
  await eventually(async () => assert.equal(await worker.count(stream), 2));
  visitor.assertClean();
  await visitor.close();
});

test("a stream with origins takes images only of listed pages", async () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
  const [ours, theirs] = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
  const stream = await worker.createStream("listed", { origins: [ours] });
  const url = (/** @type {string} */ page) => `${worker.origin}/v1/streams/${stream.id}/pixel.gif?n=1&amp;v.page=${page}`;
  /**
   * Opens a page with an image, and returns whether the browser got one: it withholds any other answer from the page.
   * @param {string} at
   * @param {string} image
   */
  const show = async (at, image) => {
    body = image;
    const visitor = await visit(browser);
    const shown = new Promise((resolve) => {
      const tell = (/** @type {boolean} */ is) => (/** @type {import("playwright-core").Request} */ request) =>
        request.url().includes("/pixel.gif") && resolve(is);
      visitor.page.on("requestfinished", tell(true));
      visitor.page.on("requestfailed", tell(false));
    });
    await visitor.page.goto(`${at}/docs`);
    const is = await shown;
    await visitor.close();
    return is;
  };
  headers = {};
  assert.equal(await show(ours, `<img alt="" src="${url("listed")}">`), true);
  for (const [policy, attributes] of [
    ["strict-origin-when-cross-origin", ""],
    ["no-referrer", ""],
    ["unsafe-url", ""],
    ["strict-origin-when-cross-origin", 'referrerpolicy="no-referrer"'],
    ["strict-origin-when-cross-origin", 'crossorigin="anonymous"'],
  ]) {
    headers = { "Referrer-Policy": policy };
    assert.equal(await show(theirs, `<img alt="" ${attributes} src="${url("other")}">`), false, `${policy} ${attributes}`);
  }
  assert.equal(await worker.count(stream), 1);
});
