// @ts-check
/** The owner's page against the real Worker, in a real browser: signing in, the list, creating, changing, deleting. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { signIn } from "./owner.mjs";
import { visit } from "./visitor.mjs";
import { OWNER_TOKEN, startWorker } from "./worker.mjs";

/** @import { Page } from "playwright-core" */
/** @import { Visitor } from "./visitor.mjs" */
/** @import { Worker } from "./worker.mjs" */

/**
 * Gzipped bytes of everything that the page loads: 56 KB since write keys, who writes and removal take 6 KB of them.
 */
const PAGE_WEIGHT_BYTES = 56_000;

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

/** @param {Page} page @param {string} [search] @param {string} [token] */
function enter(page, search, token) {
  return signIn(page, worker, search, token);
}

/** @param {string} id */
async function configOf(id) {
  const response = await fetch(`${worker.origin}/v1/streams/${id}`, { headers: { Authorization: `Bearer ${OWNER_TOKEN}` } });
  return { status: response.status, config: await response.json() };
}

/** @param {Page} page */
function storages(page) {
  return page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
}

/** @param {Page} page */
function settings(page) {
  return page.locator(".settings form");
}

scene("the token stays in memory and headers; a reload asks again", async ({ page, requests }) => {
  await enter(page);
  await page.getByRole("heading", { name: "Streams", exact: true }).waitFor();
  assert.deepEqual(await storages(page), [0, 0, ""]);
  assert.deepEqual(requests.filter((request) => decodeURIComponent(request.url()).includes(OWNER_TOKEN)), []);
  assert.ok(!page.url().includes(OWNER_TOKEN));
  await page.reload();
  await page.getByLabel("Owner token").waitFor();
  assert.equal(await page.getByLabel("Owner token").inputValue(), "");
});

scene("the owner can keep the token for reloads, until sign-out", async ({ page }) => {
  await page.goto(`${worker.origin}/owner.html`);
  await page.getByLabel("Owner token").fill(OWNER_TOKEN);
  await page.getByLabel("Keep it in this tab until I close it").check();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Streams", exact: true }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Streams", exact: true }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Owner token").waitFor();
  assert.deepEqual(await storages(page), [0, 0, ""]);
});

scene("a wrong token gets advice, and the right one opens the page", async ({ page }) => {
  await enter(page, "", "rk_something");
  await page.getByRole("heading", { name: "This is not the owner token" }).waitFor();
  await page.getByText("npx wrangler secret put OWNER_TOKEN").waitFor();
  assert.equal(await page.getByLabel("Owner token").getAttribute("aria-invalid"), "true");
  await page.getByLabel("Owner token").fill(OWNER_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Streams", exact: true }).waitFor();
});

scene("a replaced token is asked for, and nothing stays on the screen", async ({ page }) => {
  const stream = await worker.createStream("confidential");
  await enter(page, `?stream=${stream.id}`);
  await page.getByRole("heading", { name: "confidential" }).waitFor();
  const problem = { type: "/problems#unauthorized", title: "A valid credential is required", status: 401, detail: "" };
  await page.route("**/status", (route) => route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify(problem) }));
  await page.getByRole("heading", { name: "This is not the owner token" }).waitFor();
  await page.unroute("**/status");
  assert.equal(await page.getByText("confidential").count(), 0);
  await page.getByLabel("Owner token").fill(OWNER_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "confidential" }).waitFor();
});

test("a deployment without an owner token says how to set one", async () => {
  const bare = await startWorker({ OWNER_TOKEN: undefined });
  const visitor = await visit(browser);
  try {
    await signIn(visitor.page, bare);
    await visitor.page.getByRole("heading", { name: "This deployment has no owner token yet" }).waitFor();
    await visitor.page.getByText("npx wrangler secret put OWNER_TOKEN").waitFor();
    visitor.assertClean();
  } finally {
    await visitor.close();
    await bare.stop();
  }
});

test("creating a stream without a signing key says how to set one", async () => {
  const bare = await startWorker({ SIGNING_KEY: undefined });
  const visitor = await visit(browser);
  try {
    await signIn(visitor.page, bare);
    await visitor.page.getByRole("heading", { name: "No streams yet" }).waitFor();
    await visitor.page.getByRole("link", { name: "Create a stream" }).first().click();
    await visitor.page.locator("#create").getByLabel("Name").fill("a");
    await visitor.page.getByRole("button", { name: "Create" }).click();
    await visitor.page.getByRole("heading", { name: "This deployment has no signing key yet" }).waitFor();
    await visitor.page.getByText("npx wrangler secret put SIGNING_KEY").waitFor();
    visitor.assertClean();
  } finally {
    await visitor.close();
    await bare.stop();
  }
});

scene("a stream is created with all options of the form", async ({ page }) => {
  await enter(page, "?new");
  const form = page.locator("#create form");
  await form.getByLabel("Name").fill("everything");
  for (const group of await form.locator("summary").all()) await group.click();
  await form.getByLabel("Anyone can read").check();
  await form.getByLabel("Sites that can write").fill("https://a.example\nhttps://b.example:8443\n");
  await form.getByLabel("Labels whose values are only counted").fill("client_id\nuser id");
  for (const [tier, kept] of [["Steps of 10 s", "36h"], ["1 min", "20d"], ["10 min", "90d"], ["1 h", "for ever"], ["1 day", "for ever"], ["Messages", "0s"], ["Points may be late by", "2h"]]) {
    await form.getByLabel(tier).fill(kept);
  }
  await form.getByLabel("Objects that share the writes").fill("3");
  await form.getByLabel("Send every point on to").selectOption("pnut");
  await form.getByLabel("Root of its API").fill("https://api.pnut.io/v1");
  await form.getByLabel("Token for it").fill("a-token");
  await form.getByLabel("Channel").fill("12");
  await form.getByLabel("Coarsen a backlog older than").fill("10m");
  await form.getByLabel("Writes per minute").fill("7");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "everything is created" }).waitFor();

  const { config } = await configOf(new URL(page.url()).searchParams.get("stream") ?? "");
  const { name, public_read, origins, distinct, retention, lateness, shards, forward, carbon } = config;
  assert.deepEqual({ name, public_read, origins, distinct, retention, lateness, shards, forward, carbon }, {
    name: "everything",
    public_read: true,
    origins: ["https://a.example", "https://b.example:8443"],
    distinct: ["client_id", "user id"],
    retention: { "10s": "36h", "1m": "20d", "10m": "90d", "1h": null, "1d": null, messages: "0d" },
    lateness: "2h",
    shards: 3,
    forward: { dialect: "pnut", api_root: "https://api.pnut.io/v1", channel: "12", policy: { max_delay: "10m", writes_per_minute: 7 } },
    carbon: null,
  });
});

scene("a refusal opens and focuses its field", async ({ page }) => {
  await enter(page, "?new");
  const form = page.locator("#create form");
  const bad = /** @type {const} */ ([
    ["origins", "https://a.example/path"], ["distinct", "a,b"], ["retention.10s", "soon"], ["retention.1m", "1d"],
    ["retention.messages", "31d"], ["lateness", "8d"], ["shards", "65"], ["shards", "many"], ["name", ""],
  ]);
  await form.getByLabel("Name").fill("a");
  for (const [name, value] of bad) {
    const field = form.locator(`[name="${name}"]`);
    const before = await field.inputValue();
    await field.evaluate((el, value) => { /** @type {HTMLInputElement} */ (el).value = value; }, value);
    await page.getByRole("button", { name: "Create" }).click();
    const fault = form.locator(`[data-field="${name}"] .fault`);
    await fault.waitFor();
    await eventually(async () => assert.ok(await field.evaluate((el) => el === document.activeElement), name));
    assert.ok((await fault.innerText()).length > 10);
    assert.equal(await field.getAttribute("aria-invalid"), "true", name);
    assert.ok((await field.getAttribute("aria-describedby"))?.includes((await fault.getAttribute("id")) ?? "?"), name);
    assert.equal(await form.locator(".fault:not([hidden])").count(), 1, name);
    await field.fill(before);
  }
});

scene("a refusal of forwarding appears at its field", async ({ page }) => {
  await enter(page, "?new");
  const form = page.locator("#create form");
  await form.getByLabel("Name").fill("a");
  await form.locator("summary", { hasText: "Forwarding" }).click();
  await form.getByLabel("Send every point on to").selectOption("app.net");
  await form.getByLabel("Root of its API").fill("https://api.app.net");
  for (const [name, value, good] of [
    ["forward.api_root", "http://a.example", "https://api.app.net"], ["forward.token", "", "t"], ["forward.channel", "a/b", "1"],
    ["forward.policy.max_delay", "1s", "1m"], ["forward.policy.writes_per_minute", "21", "20"], ["forward.policy.writes_per_minute", "fast", "20"],
  ]) {
    const field = form.locator(`[name="${name}"]`);
    await field.fill(value);
    await page.getByRole("button", { name: "Create" }).click();
    await form.locator(`[data-field="${name}"] .fault:not([hidden])`).waitFor();
    await field.fill(good);
  }
});

scene("the read key is shown once, and in no request's address", async ({ page, requests }) => {
  await enter(page, "?new");
  await page.locator("#create").getByLabel("Name").fill("once");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "once is created" }).waitFor();
  const key = await page.locator(".key .secret code").innerText();
  assert.match(key, /^rk_/);
  await eventually(async () => assert.ok(await page.locator("#key-title").evaluate((el) => el === document.activeElement)));
  const id = new URL(page.url()).searchParams.get("stream") ?? "";
  const link = new URL((await page.getByRole("link", { name: "Dashboard with this key" }).getAttribute("href")) ?? "");
  assert.deepEqual([link.search, link.hash], [`?stream=${id}`, `#key=${key}`]);
  assert.equal((await fetch(`${worker.origin}/v1/streams/${id}/rollup`, { headers: { Authorization: `Bearer ${key}` } })).status, 200);
  assert.deepEqual(requests.filter((request) => request.url().includes(key)), []);
  assert.ok(!page.url().includes(key));

  await page.getByRole("link", { name: "Streams" }).first().click();
  await page.getByRole("link", { name: "once" }).click();
  await page.getByRole("heading", { name: "once" }).waitFor();
  assert.equal(await page.locator(".key").isVisible(), false);
});

scene("a new read key ends the old one, after a warning", async ({ page }) => {
  const stream = await worker.createStream("rotated");
  await enter(page, `?stream=${stream.id}`);
  await page.getByRole("button", { name: "New read key" }).click();
  const dialog = page.getByRole("dialog", { name: "Make a new read key?" });
  await dialog.getByText("The old key ends at once.").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await worker.count(stream);

  await page.getByRole("button", { name: "New read key" }).click();
  await dialog.getByRole("button", { name: "Make a new key" }).click();
  await page.getByRole("heading", { name: "The new read key" }).waitFor();
  const key = await page.locator(".key .secret code").innerText();
  assert.equal(await worker.count({ ...stream, read_key: key }), 0);
  await assert.rejects(worker.count(stream), /401/);
  await page.getByLabel("Read: curl").check();
  assert.ok((await page.locator(".code code").innerText()).includes(key));
});

scene("a stream is deleted only when its name is typed, and is gone", async ({ page }) => {
  const stream = await worker.createStream("doomed");
  await enter(page, `?stream=${stream.id}`);
  await page.getByRole("button", { name: "Delete the stream" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete doomed?" });
  const confirm = dialog.getByRole("button", { name: "Delete permanently" });
  assert.equal(await confirm.isDisabled(), true);
  for (const typed of ["", "Doomed", "doome"]) {
    await dialog.getByRole("textbox").fill(typed);
    assert.equal(await confirm.isDisabled(), true, typed);
  }
  await page.keyboard.press("Enter");
  assert.equal((await configOf(stream.id)).status, 200);

  await dialog.getByRole("textbox").fill("doomed");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Streams", exact: true }).waitFor();
  assert.equal(await page.getByRole("link", { name: "doomed" }).count(), 0);
  assert.equal((await configOf(stream.id)).status, 404);
  await page.goBack();
  await page.getByRole("heading", { name: "No such stream" }).waitFor();
});

scene("an incomplete deletion is reported and can be repeated", async ({ page }) => {
  const stream = await worker.createStream("half");
  await enter(page, `?stream=${stream.id}`);
  const problem = { type: "/problems#unavailable", title: "Part of the stream could not be reached", status: 503, detail: "repeat the request to finish it" };
  await page.route(`**/v1/streams/${stream.id}`, (route) => route.request().method() === "DELETE" ? route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(problem) }) : route.continue());
  await page.getByRole("button", { name: "Delete the stream" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill(stream.id);
  await dialog.getByRole("button", { name: "Delete permanently" }).click();
  await dialog.getByRole("heading", { name: "Part of the stream could not be reached" }).waitFor();
  await page.unroute(`**/v1/streams/${stream.id}`);
  await dialog.getByRole("button", { name: "Delete permanently" }).click();
  await page.getByRole("heading", { name: "Streams", exact: true }).waitFor();
  assert.equal((await configOf(stream.id)).status, 404);
});

scene("settings change, and irreversible ones ask first", async ({ page }) => {
  const stream = await worker.createStream("before");
  await enter(page, `?stream=${stream.id}`);
  await settings(page).getByLabel("Name").fill("after");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByRole("heading", { name: "after" }).waitFor();
  assert.equal((await configOf(stream.id)).config.name, "after");

  await settings(page).locator("summary", { hasText: "How long it is kept" }).click();
  await settings(page).getByLabel("Steps of 10 s").fill("1d");
  await page.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog", { name: "This can't be undone" });
  await dialog.getByText("Steps of 10s are kept for 1d from now on").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await configOf(stream.id)).config.retention["10s"], "2d");
  assert.equal(await settings(page).getByLabel("Steps of 10 s").inputValue(), "1d", "what was typed stays");
  await page.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("button", { name: "Save anyway" }).click();
  await dialog.waitFor({ state: "hidden" });
  assert.equal((await configOf(stream.id)).config.retention["10s"], "1d");
});

scene("without any stream, the page offers to create the first", async ({ page }) => {
  await page.route("**/v1/streams?*", (route) => route.fulfill({ json: { streams: [], cursor: null } }));
  await enter(page);
  await page.getByRole("heading", { name: "No streams yet" }).waitFor();
  await page.getByRole("link", { name: "Make the demo stream" }).click();
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "demo is created" }).waitFor();
  const demo = await page.getByRole("link", { name: "Demo" }).getAttribute("href");
  assert.match(demo ?? "", /^\/demo\?stream=[^&]+$/);
});

scene("a list that fails to load gets advice, and a refresh fixes it", async ({ page }) => {
  await worker.createStream("still there");
  await enter(page);
  await page.getByRole("link", { name: "still there" }).first().waitFor();
  await page.route("**/v1/streams?*", (route) => route.abort());
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("heading", { name: "No answer from the server" }).waitFor();
  await page.unroute("**/v1/streams?*");
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("heading", { name: "No answer from the server" }).waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "still there" }).first().waitFor();
});

scene("a long list comes page by page, and is found by name", async ({ page }) => {
  const many = Array.from({ length: 60 }, (_, i) => ({ id: `id${i}`, name: `stream ${i}`, created: 1000 - i }));
  await page.route("**/v1/streams?*", (route) => {
    const after = Number(new URL(route.request().url()).searchParams.get("cursor") ?? 0);
    return route.fulfill({ json: { streams: many.slice(after, after + 40), cursor: after === 0 ? "40" : null } });
  });
  await enter(page);
  await eventually(async () => assert.equal(await page.locator(".streams li").count(), 25));
  await page.getByText("40 streams so far").waitFor();
  await page.getByRole("button", { name: "Show more" }).click();
  await eventually(async () => assert.equal(await page.locator(".streams li").count(), 50));
  await page.getByRole("button", { name: "Show more" }).click();
  await eventually(async () => assert.equal(await page.locator(".streams li").count(), 60));
  assert.equal(await page.getByRole("button", { name: "Show more" }).isVisible(), false);
  await page.getByLabel("Find by name or id").fill("STREAM 5");
  await eventually(async () => assert.equal(await page.locator(".streams li").count(), 11));
  await page.getByLabel("Find by name or id").fill("nothing like it");
  await page.getByText("No stream has that in its name or id.").waitFor();
});

scene("everything works by keyboard, and dialogs return the focus", async ({ page }) => {
  const stream = await worker.createStream("by keyboard");
  await page.goto(`${worker.origin}/owner.html`);
  await page.getByLabel("Owner token").focus();
  await page.keyboard.type(OWNER_TOKEN);
  await page.keyboard.press("Enter");
  const link = page.getByRole("link", { name: "by keyboard" });
  await link.waitFor();
  for (let i = 0; i < 60 && !(await link.evaluate((el) => el === document.activeElement)); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "by keyboard" }).waitFor();
  assert.ok(page.url().includes(stream.id));
  await eventually(async () => assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1"));

  const chip = page.getByRole("radio", { name: "curl", exact: true });
  await chip.focus();
  await page.keyboard.press("ArrowRight");
  await page.locator(".code", { hasText: "heartbeat.js" }).waitFor();
  const button = page.getByRole("button", { name: "Delete the stream" });
  await button.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await eventually(async () => assert.ok(await button.evaluate((el) => el === document.activeElement)));
});

scene("the page is small and has the strict headers", async ({ page }) => {
  const bodies = /** @type {Promise<Buffer>[]} */ ([]);
  page.on("response", (response) => void bodies.push(response.body()));
  const response = await page.goto(`${worker.origin}/owner`, { waitUntil: "networkidle" });
  const headers = response?.headers() ?? {};
  assert.match(headers["content-security-policy"], /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.equal(headers["referrer-policy"], "no-referrer");
  const weight_bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + gzipSync(body).length, 0);
  assert.ok(weight_bytes < PAGE_WEIGHT_BYTES, `${weight_bytes} bytes`);
});
