// @ts-check
/** The demo against the real Worker: several visitors in real browsers see each other come and go. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { viewersNotice, viewersNow, viewersWords } from "../../public/demo/viewers.js";
import { assertAccessible } from "./accessibility.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { visit } from "./visitor.mjs";
import { OWNER_TOKEN, startWorker } from "./worker.mjs";

/** @import { Visitor } from "./visitor.mjs" */
/** @import { Worker } from "./worker.mjs" */

/**
 * The number should rise within 3 s and fall within 20. The times are printed; as machines are busy, the limits are
 * longer.
 */
const RISE_MS = 60_000;
const FALL_MS = 90_000;
/** A machine that stands still for longer, between ticks or for an answer, says nothing about who is counted. */
const STILL_MS = 2000;
const MOST_TRIES = 5;

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  worker = await startWorker();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

/** @param {object} [config] */
async function demoUrl(config = { public_read: true, distinct: ["client_id"] }) {
  const stream = await worker.createStream("demo", config);
  return `${worker.origin}/demo?stream=${stream.id}`;
}

/** @param {Visitor} visitor @param {number} count @param {number} timeout how long it may take, in ms */
async function sees({ page }, count, timeout) {
  await page.waitForFunction((count) => document.querySelector(".number")?.textContent === count, String(count), { timeout, polling: 100 });
}

/** A browser logs each refused upgrade, even if the page handles it. @param {Visitor} visitor */
function assertClean({ complaints }) {
  assert.deepEqual(complaints.filter((text) => !text.startsWith("WebSocket connection to")), []);
}

test("a second page raises the number, and closing it lowers it", async (t) => {
  const url = await demoUrl();
  const [first, second] = [await visit(browser), await visit(browser)];
  try {
    await first.page.goto(url);
    await sees(first, 1, RISE_MS);
    await second.page.goto(url);
    const opened_ms = Date.now();
    await sees(first, 2, RISE_MS);
    t.diagnostic(`rose after ${Date.now() - opened_ms} ms`);
    await sees(second, 2, RISE_MS);
    assert.equal(await first.page.locator(".words").innerText(), "2 people are looking at this page, including you.");
    assert.equal(await first.page.title(), "2 looking – Heartbeat");

    const closed_ms = Date.now();
    await second.page.close({ runBeforeUnload: true });
    // The last request needs a moment, and the page another one.
    await sees(first, 1, FALL_MS);
    t.diagnostic(`fell after ${Date.now() - closed_ms} ms`);
    assertClean(first);
    assertClean(second);
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});

/** Over three steps of 10 seconds: each change of the number, and how long the page waited at most. */
async function watch() {
  const numbers = new Set();
  const number = document.querySelector(".number");
  const end_ms = performance.now() + 31_000;
  let [then_ms, still_ms] = [performance.now(), 0];
  performance.clearResourceTimings();
  while (then_ms < end_ms) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    numbers.add(number?.textContent);
    still_ms = Math.max(still_ms, performance.now() - then_ms);
    then_ms = performance.now();
  }
  const answers_ms = performance.getEntriesByType("resource").map(({ duration }) => duration);
  return { numbers: [...numbers], still_ms: Math.max(still_ms, ...answers_ms) };
}

test("a visitor who stays is counted in every step", async () => {
  const url = await demoUrl();
  const [first, second] = [await visit(browser), await visit(browser)];
  try {
    await Promise.all([first.page.goto(url), second.page.goto(url)]);
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      await sees(first, 2, RISE_MS);
      const [{ numbers, still_ms }, other] = await Promise.all([first.page.evaluate(watch), second.page.evaluate(watch)]);
      if (Math.max(still_ms, other.still_ms) < STILL_MS) return assert.deepEqual(numbers, ["2"]);
    }
    assert.fail(`the machine stood still in each of ${MOST_TRIES} tries`);
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});

test("without a stream the page explains how to make one", async () => {
  const url = new URL(await demoUrl());
  const visitor = await visit(browser);
  try {
    await visitor.page.goto(`${worker.origin}/demo`);
    await visitor.page.getByRole("heading", { name: "This page needs a stream" }).waitFor();
    assert.equal(await visitor.page.getByRole("link", { name: "owner's page" }).getAttribute("href"), "/owner?new=demo");
    await assertAccessible(visitor.page);
    await visitor.page.getByLabel("Stream id").fill(url.searchParams.get("stream") ?? "");
    await visitor.page.getByRole("button", { name: "Open" }).click();
    await sees(visitor, 1, RISE_MS);
    assertClean(visitor);
  } finally {
    await visitor.close();
  }
});

test("the documented command makes a stream that works here", async () => {
  const document = await readFile(new URL("../../docs/owner.md", import.meta.url), "utf8");
  const [, command] = /```sh\n([\s\S]*?)```/.exec(document) ?? [];
  const { stdout } = await promisify(execFile)("sh", ["-euc", command], { env: { ...process.env, URL: worker.origin, OWNER_TOKEN } });
  const visitor = await visit(browser);
  try {
    await visitor.page.goto(`${worker.origin}/demo?stream=${JSON.parse(stdout).id}`);
    await sees(visitor, 1, RISE_MS);
    assertClean(visitor);
  } finally {
    await visitor.close();
  }
});

/** @param {string} name @param {string} heading @param {() => Promise<string>} url */
function told(name, heading, url) {
  test(name, async () => {
    const visitor = await visit(browser, { viewport: { width: 360, height: 740 } });
    try {
      await visitor.page.goto(await url());
      await visitor.page.getByRole("heading", { name: heading }).waitFor();
      assert.equal(await visitor.page.locator(".number").isVisible(), false);
      assert.equal(await visitor.page.locator("main img, main script").count(), 0);
      assert.equal(await visitor.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
      assertClean(visitor);
    } finally {
      await visitor.close();
    }
  });
}

told("a stream that is not public has a notice", "This stream is not public", () => demoUrl({ distinct: ["client_id"] }));

told("a stream that does not count the label has a notice", "This stream does not count", () => demoUrl({ public_read: true }));

told("a hostile label is text", "<img src=x onerror=alert(1)>", async () => `${await demoUrl()}&label=${encodeURIComponent("<img src=x onerror=alert(1)>\u202E")}`);

told("a missing stream has a notice", "No such stream", async () => `${worker.origin}/demo?stream=forged`);

test("a hidden page does not count until it is visible again", async () => {
  const url = await demoUrl();
  const [first, second] = [await visit(browser), await visit(browser)];
  try {
    await Promise.all([first.page.goto(url), second.page.goto(url)]);
    await sees(first, 2, RISE_MS);
    /** @param {boolean} isHidden */
    const hide = (isHidden) => second.page.evaluate((isHidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, value: isHidden });
      Object.defineProperty(document, "visibilityState", { configurable: true, value: isHidden ? "hidden" : "visible" });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, isHidden);
    await hide(true);
    const last = () => JSON.parse(second.requests.findLast((request) => request.method() === "POST")?.postData() ?? "[]");
    await eventually(() => assert.deepEqual(Object.keys(last().at(-1).v), ["event"], "who leaves is not counted as there"));
    await sees(first, 1, FALL_MS);
    await hide(false);
    await sees(first, 2, RISE_MS);
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  test(`axe-core finds nothing serious, ${colorScheme}`, async () => {
    const visitor = await visit(browser, { colorScheme });
    try {
      await visitor.page.goto(await demoUrl());
      await sees(visitor, 1, RISE_MS);
      await assertAccessible(visitor.page);
    } finally {
      await visitor.close();
    }
  });
}

test("present visitors are in this step or in the previous one", () => {
  assert.deepEqual([[], [null], [5], [3, 1], [1, 3], [9, 2, null], [9, null, null]].map(viewersNow), [0, 0, 5, 3, 3, 2, 0]);
  assert.deepEqual([0, 1, 2].map(viewersWords), ["Nobody is counted yet.", "1 person is looking at this page: you.", "2 people are looking at this page, including you."]);
});

test("every state of the reader has its own text", () => {
  const kinds = ["connecting", "live", "offline", "paused", "denied", "missing", "closed"].map((state) => viewersNotice(state, null, "a").kind);
  assert.deepEqual(kinds, ["waiting", "live", "lost", "live", "denied", "missing", "live"]);
  assert.equal(viewersNotice("refused", { status: 400, detail: "" }, "a").kind, "uncounted");
  assert.equal(viewersNotice("refused", { status: 422, detail: "too much" }, "a").advice, "too much");
});
