// @ts-check
/** Removing points on the owner's page: a dry run, a question, then to the end, whatever happens meanwhile. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible } from "./accessibility.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { pretend } from "./owner-double.mjs";
import { signIn } from "./owner.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Page } from "playwright-core" */
/** @import { Double } from "./owner-double.mjs" */
/** @import { Worker } from "./worker.mjs" */

const IMAGE = "<img src=x onerror=alert(1)>";
const MATCHED = { points: 1200, series: 3, bytes: 4096 };

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

/**
 * @param {string} name
 * @param {(scene: { page: Page, double: Double }) => Promise<void>} story
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
function scene(name, story, options) {
  test(name, async () => {
    const visitor = await visit(browser, options);
    try {
      const { page } = visitor;
      const stream = await worker.createStream("shared");
      const double = await pretend(page, stream.id);
      await signIn(page, worker, `?stream=${stream.id}`);
      await page.getByRole("heading", { name: "shared" }).waitFor();
      await story({ page, double });
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  });
}

/** @param {Double} double */
const removals = ({ asked }) => asked.map(({ what }) => what).filter((what) => what.startsWith("DELETE points"));

/** @param {Page} page @param {Record<string, string>} fields */
async function lookAt(page, fields) {
  for (const [label, text] of Object.entries(fields)) await page.locator(".removal").getByLabel(label).fill(text);
  await page.getByRole("button", { name: "Count them first" }).click();
}

/** @param {Page} page */
async function confirm(page) {
  await page.getByRole("button", { name: "Remove them" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove permanently" }).click();
}

scene("a removal is counted, confirmed, and done step by step", async ({ page, double }) => {
  double.steps = [MATCHED];
  await lookAt(page, { "Of which series": `client=${IMAGE}\npath=~/a.*\n`, From: "2026-11-30T00:00:00Z", Until: "-1h" });
  await page.getByText("1,200 points of 3 series (4 KiB) would be removed.").waitFor();
  const query = new URLSearchParams([["where", `client=${IMAGE}`], ["where", "path=~/a.*"], ["from", "2026-11-30T00:00:00Z"], ["to", "-1h"]]);
  assert.deepEqual(removals(double), [`DELETE points?${query}&dry_run=1`]);
  assert.ok(double.asked.every(({ what }) => !what.startsWith("DELETE points") || what.includes("dry_run=1")));

  await page.getByRole("button", { name: "Remove them" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(`Conditions: where client=${IMAGE}, where path=~/a.*, from 2026-11-30T00:00:00Z, to -1h.`).waitFor();
  await page.keyboard.press("Escape");
  await eventually(async () => assert.ok(await page.getByRole("button", { name: "Remove them" }).evaluate((el) => el === document.activeElement)));
  assert.equal(removals(double).length, 1);

  double.steps = [{ points: 400, series: 1, bytes: 1000, cursor: "r1" }, 503, { points: 900, series: 2, bytes: 3000, cursor: "r1" }, MATCHED];
  await confirm(page);
  await page.getByText("1,200 points of 3 series (4 KiB) were removed.").waitFor();
  assert.deepEqual(removals(double).slice(1), [`DELETE points?${query}`, ...Array(3).fill(`DELETE points?${query}&after=r1`)]);
  assert.equal(await page.locator(".removal progress").isVisible(), false);
  assert.equal(await page.getByRole("button", { name: "Remove them" }).isVisible(), false, "the same again is looked at again");
  assert.equal(await page.locator("main img, dialog img").count(), 0);
});

scene("a removal shows its progress and blocks nothing else", async ({ page, double }) => {
  double.steps = [MATCHED, { points: 400, series: 1, bytes: 1000, cursor: "r1" }, ...Array(110).fill({ points: 400, series: 1, bytes: 1000, cursor: "r1" })];
  await lookAt(page, { From: "-1d" });
  await page.getByText("would be removed.").waitFor();
  await confirm(page);
  await page.getByText("400 points of 1 series (1,000 bytes) removed so far. The removal continues even if you leave this page.").waitFor();
  await eventually(async () => {
    assert.deepEqual(await page.locator(".removal progress").evaluate((el) => [/** @type {HTMLProgressElement} */ (el).value, /** @type {HTMLProgressElement} */ (el).max]), [400, 1200]);
    assert.ok(await page.locator(".removal .answer").evaluate((el) => el === document.activeElement));
  });
  await assertAccessible(page);
  // Another stream shows nothing of it.
  await page.getByRole("navigation").getByRole("link", { name: "Streams" }).click();
  await page.locator(".removal").waitFor({ state: "hidden" });
  await page.goBack();
  await page.getByRole("heading", { name: "shared" }).waitFor();
  await page.locator(".removal").waitFor();
  // Nor does the same stream, when it is opened again: at most one question was under way.
  await eventually(async () => assert.equal(await page.locator(".removal progress").isVisible(), false));
  const before = removals(double).length;
  await assertAccessible(page);
  assert.equal(await page.locator(".removal progress").isVisible(), false);
  assert.ok(removals(double).length <= before + 1);
});

scene("a dry run of several steps counts to the end", async ({ page, double }) => {
  double.steps = [{ points: 700, series: 2, bytes: 100, cursor: "r2" }, MATCHED];
  await lookAt(page, { "Of which series": "client=7" });
  await page.getByText("1,200 points of 3 series (4 KiB) would be removed.").waitFor();
  assert.deepEqual(removals(double), ["DELETE points?where=client%3D7&dry_run=1", "DELETE points?where=client%3D7&dry_run=1&after=r2"]);
});

scene("only points that a dry run has counted can be removed", async ({ page, double }) => {
  double.steps = [MATCHED, { points: 0, series: 0, bytes: 0 }];
  await lookAt(page, { "Of which series": "client=7" });
  await page.getByRole("button", { name: "Remove them" }).waitFor();
  await page.locator(".removal").getByLabel("Of which series").fill("client=8");
  assert.equal(await page.getByRole("button", { name: "Remove them" }).isVisible(), false);
  await page.getByRole("button", { name: "Count them first" }).click();
  await page.getByText("No point matches.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Remove them" }).isVisible(), false);
});

for (const [field, detail, told] of [
  ["where", "`where`, `from` or `to` must say what to remove; to remove everything, delete the stream", "Where, from or to must say what to remove"],
  ["from", "`from` must be a time such as -2h", "It must be a time such as -2h."],
  ["to", "`to` must be a whole second", "It must be a whole second."],
]) {
  scene(`a refusal of ${field} appears at its field`, async ({ page, double }) => {
    double.refusal = { status: 400, detail };
    await page.getByRole("button", { name: "Count them first" }).click();
    await page.locator(`.removal [data-field="${field}"] .fault`, { hasText: told }).waitFor();
    assert.equal(await page.locator(".removal .fault:not([hidden])").count(), 1);
    assert.ok(await page.locator(`.removal [data-field="${field}"]`).evaluate((el) => el.contains(document.activeElement)));
    await assertAccessible(page);
  });
}

scene("a failed removal is reported and sends no more requests", async ({ page, double }) => {
  await page.clock.install();
  double.steps = [MATCHED, { points: 400, series: 1, bytes: 1000, cursor: "r1" }, ...Array(20).fill(503)];
  await lookAt(page, { From: "-1d" });
  await page.getByText("would be removed.").waitFor();
  await confirm(page);
  await eventually(async () => {
    await page.clock.runFor(5000);
    assert.equal(await page.locator(".removal .problem").isVisible(), true);
  });
  assert.equal(removals(double).length, 2 + 5);
});
