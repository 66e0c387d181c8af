// @ts-check
/** One stream on the owner's page: its status, its forwarding, hostile words, and the accessibility of every view. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible } from "./accessibility.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { signIn } from "./owner.mjs";
import { visit } from "./visitor.mjs";
import { OWNER_TOKEN, startWorker } from "./worker.mjs";

/** @import { Page } from "playwright-core" */
/** @import { Visitor } from "./visitor.mjs" */
/** @import { Worker } from "./worker.mjs" */

const IMAGE = "<img src=x onerror=alert(1)>";
const OVERRIDE = "\u202Egnp.exe \u2066";
/** A name has at most 100 bytes. */
const LONG = "W".repeat(100);

/** @type {Worker} */
let worker;
/** @type {Worker} */
let upstream;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  upstream = await startWorker();
  worker = await startWorker({ HEARTBEAT_DEV: "1", FORWARD_ROOTS: `${upstream.origin}/stream/0` });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await Promise.all([worker?.stop(), upstream?.stop()]);
});

/**
 * One visit; nothing may be wrong at the end.
 * @param {string} name
 * @param {(visitor: Visitor) => Promise<void>} story
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
function scene(name, story, options) {
  test(name, async () => {
    const visitor = await visit(browser, options);
    try {
      await story(visitor);
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  });
}

/**
 * The facts of a card, by their names.
 * @param {Page} page
 * @param {string} card
 * @returns {Promise<Record<string, string>>}
 */
async function facts(page, card) {
  const pairs = await page.locator(`${card} dl > div`).evaluateAll((all) => all.map((div) => [div.querySelector("dt")?.textContent ?? "", div.querySelector("dd bdi")?.textContent ?? ""]));
  return Object.fromEntries(pairs);
}

/** @param {Page} page */
function isWithinTheScreen(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
}

/**
 * Replaces the status of an upstream or of carbon.
 * @param {Page} page
 * @param {string} id
 * @param {{ forward?: object, carbon?: object }} more
 */
async function pretend(page, id, more) {
  await page.route(`**/v1/streams/${id}/status`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ json: { ...(await response.json()), ...more } });
  });
}

scene("the status has counts, rejections with reasons, and the pace", async ({ page }) => {
  const stream = await worker.createStream("busy", { shards: 2 });
  const now_s = Date.now() / 1000;
  await worker.write(stream, [{ n: 1, t: now_s - 70, v: { a: "1" } }, { n: 1, t: now_s - 600, v: { a: "2" } }, { n: "x" }, { n: 1, d: -1 }, { n: 1, d: -2 }, { what: 1 }]);
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.getByRole("heading", { name: "busy" }).waitFor();
  const told = await facts(page, ".status");
  assert.deepEqual([told["Points accepted"], told["Points rejected"], told["Shards"]], ["2", "4", "2"]);
  assert.ok(Number(told.Series) >= 1);
  assert.match(told["Last write"], /^(just now|\d+ s ago)$/);
  assert.match(told.Storage, /KiB$/);
  const rows = await page.locator(".rejected tbody tr").evaluateAll((all) => all.map((tr) => [/** @type {HTMLTableRowElement} */ (tr).cells[0].innerText, /** @type {HTMLTableRowElement} */ (tr).cells[2].innerText]));
  assert.deepEqual(Object.fromEntries(rows), { d: "2", n: "1", unknown_field: "1" });
  assert.match((await page.locator(".pace svg").getAttribute("aria-label")) ?? "", /^[01] points? in the last minute, at most 1 in a minute of the last hour$/);
});

scene("the status refreshes without moving focus or typed text", async ({ page }) => {
  const stream = await worker.createStream("alive");
  await page.clock.install();
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.locator(".settings").getByLabel("Name").fill("half typed");
  await worker.write(stream, [{ n: 1 }]);
  await eventually(async () => {
    // However slow the answer is: the page's own timeout runs by the same clock.
    const answer = page.waitForResponse("**/status", { timeout: 10_000 });
    await Promise.all([answer, page.clock.runFor(10_000)]);
    assert.equal((await facts(page, ".status"))["Points accepted"], "1");
  });
  assert.equal(await page.locator(".settings").getByLabel("Name").inputValue(), "half typed");
  assert.ok(await page.locator(".settings").getByLabel("Name").evaluate((el) => el === document.activeElement));
});

scene("an outage is shown, and the page recovers", async ({ page }) => {
  const stream = await worker.createStream("flaky");
  await page.clock.install();
  await page.route("**/status", (route) => route.abort());
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.locator("#stream").getByRole("heading", { name: "No answer from the server" }).waitFor();
  await page.unroute("**/status");
  await eventually(async () => {
    // However slow the answer is: the page's own timeout runs by the same clock.
    const answer = page.waitForResponse("**/status", { timeout: 10_000 });
    await Promise.all([answer, page.clock.runFor(30_000)]);
    assert.equal(await page.locator("#stream .problem").first().isVisible(), false);
  });
  await page.locator(".facts").first().waitFor();
});

scene("forwarding is set up, delivers, and ends", async ({ page }) => {
  const stream = await worker.createStream("onward");
  await signIn(page, worker, `?stream=${stream.id}`);
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Forwarding" }).click();
  await form.getByLabel("Send every point on to").selectOption("app.net");
  await form.getByLabel("Root of its API").fill(`${upstream.origin}/stream/0`);
  await form.getByLabel("Token for it").fill(OWNER_TOKEN);
  await form.getByLabel("Coarsen a backlog older than").fill("10m");
  await form.getByLabel("Writes per minute").fill("600");
  await page.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  assert.equal(await form.getByLabel("Token for it").inputValue(), "", "it is not shown again");

  await worker.write(stream, [{ n: 1 }, { n: 2 }]);
  await eventually(async () => {
    await page.getByRole("button", { name: "Try again now" }).click();
    assert.equal((await facts(page, ".forward")).Delivered, "2 points");
  });
  assert.equal(await page.locator(".forward .pill").innerText(), "Forwarding");
  await page.getByText("Trying again now.").waitFor();

  await form.getByLabel("Send every point on to").selectOption("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByText("points that wait or are set aside are dropped").waitFor();
  await page.getByRole("button", { name: "Save anyway" }).click();
  await eventually(async () => assert.equal((await worker.status(stream)).forward, null));
});

scene("a carbon is set up, refused at its field, and ends", async ({ page }) => {
  const stream = await worker.createStream("pushed");
  await signIn(page, worker, `?stream=${stream.id}`);
  assert.equal(await page.locator(".card.carbon").isVisible(), false);
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Carbon" }).click();
  await form.getByLabel("Host of carbon").fill("127.0.0.1");
  await form.getByLabel("Port for plain text").fill("25");
  await form.getByLabel("A value every … seconds").fill("10");
  await page.getByRole("button", { name: "Save" }).click();
  await form.locator('[data-field="carbon.port"] .fault').waitFor();
  await form.getByLabel("Port for plain text").fill("9");
  await form.getByLabel("Which values").fill("sum, max");
  await page.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  assert.equal(await form.getByLabel("Prefix").inputValue(), "");
  await eventually(async () => assert.match((await facts(page, ".card.carbon")).To, /^127\.0\.0\.1, port 9/));
  assert.equal(await page.locator(".card.carbon .pill").innerText(), "Sending");

  await form.getByLabel("Host of carbon").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByText("lines that wait are dropped").waitFor();
  await page.getByRole("button", { name: "Save anyway" }).click();
  await eventually(async () => assert.equal((await worker.status(stream)).carbon, null));
});

scene("lines that carbon refuses are reported, as text", async ({ page }) => {
  const stream = await worker.createStream("away");
  const now_s = Date.now() / 1000;
  await pretend(page, stream.id, { carbon: {
    state: "waiting", host: "carbon.example.com", port: 2003, interval_s: 60, sent_until: now_s - 7300, pending_since: now_s - 7200, lines: 1234,
    corrected: 1, skipped: 2, last_error: { message: IMAGE, at: now_s - 60 }, next_try: now_s + 90,
  } });
  await signIn(page, worker, `?stream=${stream.id}`);
  await eventually(async () => assert.equal((await facts(page, ".card.carbon"))["Last error"], IMAGE));
  const told = await facts(page, ".card.carbon");
  assert.deepEqual([told["To be sent"], told["Sent again"], told.Skipped], ["steps since 2 h ago", "1 step", "2 steps"]);
  assert.equal(await page.locator(".card.carbon .pill").innerText(), "Waiting");
  assert.equal(await page.locator("main img").count(), 0);
  assert.equal(await isWithinTheScreen(page), true);
});

scene("points that were set aside are shown with the reason, as text", async ({ page }) => {
  const stream = await worker.createStream("refused");
  const recent = [{ point: { n: 1, v: { [IMAGE]: OVERRIDE } }, reason: `${IMAGE} says ${OVERRIDE}`, at: 1 }];
  await pretend(page, stream.id, { forward: {
    state: "paused", dialect: "pnut", api_root: "https://api.pnut.io/v1", channel: "12", delivered: { points: 5, messages: 2 }, pending: { points: 3, messages: 1 },
    coarsened: { points: 10, into: 2 }, set_aside: { points: 11, recent }, last_error: { message: `401 ${IMAGE}`, at: Date.now() / 1000 - 60 }, next_try: Date.now() / 1000 + 5400,
  } });
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.getByText("11 points set aside, the last 1:").waitFor();
  const told = await facts(page, ".forward");
  assert.deepEqual([told["Last error"], told.Coarsened, told["On the way"]], [`401 ${IMAGE}`, "10 points", "3 points"]);
  assert.equal(told["Next try"], "in 1 h");
  assert.equal(await page.locator(".forward .pill").innerText(), "Paused");
  await page.getByText(`${IMAGE} says`).waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.equal(await isWithinTheScreen(page), true);
  await assertAccessible(page);
}, { viewport: { width: 360, height: 740 } });

for (const name of [IMAGE, OVERRIDE, LONG]) {
  scene(`a hostile name stays text: ${JSON.stringify(name.slice(0, 30))}`, async ({ page }) => {
    const stream = await worker.createStream(name, { distinct: [IMAGE] });
    await signIn(page, worker);
    const link = page.locator(`.streams a[href="?stream=${stream.id}"]`);
    await link.waitFor();
    assert.equal(await link.innerText(), name);
    assert.equal(await link.locator("bdi").evaluate((el) => getComputedStyle(el).unicodeBidi), "isolate");
    assert.equal(await isWithinTheScreen(page), true);
    await link.click();
    await eventually(async () => assert.equal(await page.locator("h1 .name").innerText(), name));
    assert.equal(await isWithinTheScreen(page), true);
    assert.equal(await page.locator(".settings").getByLabel("Name").inputValue(), name.trim());
    await page.getByLabel("Web page").check();
    assert.equal((await page.locator(".code code").innerText()).includes("<img"), false);
    await page.getByRole("button", { name: "Delete the stream" }).click();
    assert.ok((await page.getByRole("dialog").innerText()).includes(name));
    await page.getByRole("dialog").getByRole("textbox").fill(name);
    assert.equal(await page.getByRole("button", { name: "Delete permanently" }).isDisabled(), false);
    assert.equal(await page.locator("main img, main script").count(), 0);
  }, { viewport: { width: 360, height: 740 } });
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  scene(`axe-core finds nothing serious in any view, ${colorScheme}`, async ({ page }) => {
    const stream = await worker.createStream("visits");
    await worker.write(stream, [{ n: 1 }, { n: "x" }]);
    await signIn(page, worker, "", "wrong");
    await page.getByRole("heading", { name: "This is not the owner token" }).waitFor();
    await assertAccessible(page);
    await page.getByLabel("Owner token").fill(OWNER_TOKEN);
    await page.keyboard.press("Enter");
    await page.locator("svg.spark").first().waitFor();
    await eventually(() => assertAccessible(page));

    await page.getByRole("link", { name: "Create a stream" }).first().click();
    const form = page.locator("#create form");
    for (const group of await form.locator("summary").all()) await group.click();
    await form.getByLabel("Send every point on to").selectOption("pnut");
    await page.getByRole("button", { name: "Create" }).click();
    await form.locator(".fault:not([hidden])").waitFor();
    await assertAccessible(page);
    await form.getByLabel("Name").fill("visits");
    await form.getByLabel("Send every point on to").selectOption("");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name: "visits is created" }).waitFor();
    await page.locator(".status dl > div").first().waitFor();
    await assertAccessible(page);

    await page.goBack();
    await page.goBack();
    await page.locator(`a[href="?stream=${stream.id}"]`).click();
    await page.locator(".rejected table").waitFor();
    for (const group of await page.locator(".settings summary").all()) await group.click();
    await assertAccessible(page);
    await page.getByRole("button", { name: "Delete the stream" }).click();
    await page.getByRole("dialog").waitFor();
    await assertAccessible(page);
  }, { colorScheme });
}
