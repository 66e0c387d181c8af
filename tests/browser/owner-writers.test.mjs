// @ts-check
/** Who can write and who writes, on the owner's page: write keys, rules, the table of writers, and blocking. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible } from "./accessibility.mjs";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { KEY, pretend } from "./owner-double.mjs";
import { signIn } from "./owner.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Page } from "playwright-core" */
/** @import { Double } from "./owner-double.mjs" */
/** @import { Stream, Worker } from "./worker.mjs" */

const IMAGE = "<img src=x onerror=alert(1)>";
const OVERRIDE = "\u202Egnp.exe \u2066";
const PHONE = { viewport: { width: 360, height: 740 } };
const BUSY = { points: 1_234_567, new_series: 4000, rejected: 12, cost: 98_765, error: 7 };
const QUIET = { points: 20, new_series: 0, rejected: 0, cost: 21, error: 0 };

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
 * The page of a stream whose writers are a double's; nothing may be wrong at the end.
 * @param {string} name
 * @param {(scene: { page: Page, double: Double, stream: Stream }) => Promise<void>} story
 * @param {object} [more]
 * @param {import("playwright-core").BrowserContextOptions} [more.options]
 * @param {(double: Double) => void} [more.given] before the page opens
 */
function scene(name, story, { options, given } = {}) {
  test(name, async () => {
    const visitor = await visit(browser, options);
    try {
      const { page } = visitor;
      const stream = await worker.createStream("shared");
      const double = await pretend(page, stream.id);
      given?.(double);
      await signIn(page, worker, `?stream=${stream.id}`);
      await page.getByRole("heading", { name: "shared" }).waitFor();
      await story({ page, double, stream });
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  });
}

/** @param {Page} page */
function isWithinTheScreen(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
}

/** What reaches beyond the screen, but within what scrolls. @param {Page} page */
function wider(page) {
  return page.evaluate(() => (document.documentElement.scrollWidth <= innerWidth ? [] : Array.from(document.querySelectorAll("main *")).filter((el) => !el.closest(".scroll, pre, .unseen") && el.getBoundingClientRect().right > innerWidth + 1).map((el) => el.outerHTML.slice(0, 120))));
}

/** The rows of a table as text. @param {Page} page @param {string} within */
function rows(page, within) {
  return page.locator(`${within} tbody tr`).evaluateAll((all) => all.map((tr) => Array.from(/** @type {HTMLTableRowElement} */ (tr).cells, (cell) => cell.innerText.replace(/\s+/g, " ").trim())));
}

/** @param {Double} double @param {string} method */
const askedWith = (double, method) => double.asked.filter(({ what }) => what.startsWith(`${method} `));

/** @param {Double} double */
function crowd(double) {
  double.writers.networks = [{ network: "n_3f9a01b2c3", country: "DE", asn: 64496, ...BUSY }, { network: "unknown", ...QUIET }];
  double.writers.origins = [{ origin: "https://spam.example", ...BUSY }, { origin: IMAGE, ...QUIET }, { origin: OVERRIDE, ...QUIET }];
  double.writers.keys = [{ id: "0000000000000001", name: "backup", ...QUIET }];
  double.keys = [{ id: "0000000000000001", name: "backup", created: Date.now() / 1000 - 7300, last_used: Date.now() / 1000 - 60 }];
}

scene("a write key is shown once, copied, and in the snippets", async ({ page, double }) => {
  await page.getByText("There are none yet.").waitFor();
  assert.equal((await page.locator(".snippets code").innerText()).includes("Bearer"), false);
  await page.getByLabel("Who the new key is for").fill(`backup ${IMAGE}`);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `The key of backup ${IMAGE}` }).waitFor();
  assert.equal(await page.locator(".fresh .secret code").innerText(), KEY);
  await eventually(async () => assert.ok(await page.locator(".fresh h3").evaluate((el) => el === document.activeElement)));
  await page.getByRole("button", { name: "Copy the write key" }).waitFor();
  assert.match(await page.locator(".snippets code").innerText(), new RegExp(`-H 'Authorization: Bearer ${KEY}'`));
  assert.deepEqual((await rows(page, ".keys")).map(([name, , used]) => [name, used]), [[`backup ${IMAGE}`, "never"]]);
  assert.deepEqual(askedWith(double, "POST").map(({ what, body }) => [what, body]), [["POST write-keys", { name: `backup ${IMAGE}` }]]);
  assert.equal(await page.locator("main img").count(), 0);
  assert.ok(!page.url().includes(KEY));
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""]);

  // Coming back, nobody finds it anywhere.
  await page.getByRole("navigation").getByRole("link", { name: "Streams" }).click();
  await page.goBack();
  await page.locator(".keys table").waitFor();
  assert.equal(await page.locator(".fresh").isVisible(), false);
  assert.equal(await page.locator(".fresh").innerText().then((text) => text.includes(KEY)), false);
});

scene("write keys show their times, and revoking asks first", async ({ page, double }) => {
  await page.locator(".keys table").waitFor();
  assert.deepEqual((await rows(page, ".keys")).map((row) => row.slice(0, 3)), [["backup", "2 h ago", "within the last hour"]]);
  await page.locator(".keys").getByRole("button", { name: "Revoke backup" }).click();
  await page.getByRole("dialog").getByText("gets “unauthorized” from now on").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.deepEqual(askedWith(double, "DELETE"), []);
  await page.locator(".keys").getByRole("button", { name: "Revoke backup" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key is revoked.").waitFor();
  await page.getByText("There are none yet.").waitFor();
  assert.deepEqual(askedWith(double, "DELETE").map(({ what }) => what), ["DELETE write-keys/0000000000000001"]);
  await eventually(async () => assert.ok(await page.getByLabel("Who the new key is for").evaluate((el) => el === document.activeElement)));
}, { given: crowd });

scene("one key too many is refused where keys are made", async ({ page, double }) => {
  double.refusal = { status: 409, detail: "the stream has 50 write keys, and at most 50 are allowed" };
  await page.getByLabel("Who the new key is for").fill("one more");
  await page.getByRole("button", { name: "Make a write key" }).click();
  await page.locator(".write-keys .problem", { hasText: "at most 50 are allowed" }).waitFor();
  assert.equal(await page.getByLabel("Who the new key is for").inputValue(), "one more");
  assert.equal(await page.locator(".fresh").isVisible(), false);
});

scene("a keyed stream says so, and its snippets need the key", async ({ page, double }) => {
  assert.equal(await page.locator(".write-keys .pill").innerText(), "Open");
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Who can write and read" }).click();
  await form.getByLabel("Who can write").selectOption("keyed");
  await page.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  assert.deepEqual(askedWith(double, "PATCH").map(({ body }) => body), [{ writers: "keyed" }]);
  await eventually(async () => assert.equal(await page.locator(".write-keys .pill").innerText(), "Keys only"));
  await eventually(async () => assert.match(await page.locator(".snippets code").innerText(), /Bearer WRITE_KEY/));
  await form.getByLabel("Who can write").selectOption("");
  await page.getByRole("button", { name: "Save" }).click();
  await eventually(() => assert.deepEqual(askedWith(double, "PATCH").at(-1)?.body, { writers: "open" }));
  await form.getByText("Saved.").waitFor();
});

scene("rules are JSON, and their mistakes appear at the field", async ({ page, double }) => {
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Rules and budgets" }).click();
  const field = form.getByLabel("What is accepted, as JSON");
  const fault = form.locator('[data-field="accept"] .fault');
  await field.fill('{"labels":');
  await page.getByRole("button", { name: "Save" }).click();
  await fault.filter({ hasText: "This is not JSON" }).waitFor();
  assert.deepEqual(askedWith(double, "PATCH"), []);
  double.refusal = { status: 400, detail: "`accept.labels.path.pattern` must be a pattern such as /blog/.*" };
  await field.fill('{"labels":{"path":{"pattern":"("}}}');
  await page.getByRole("button", { name: "Save" }).click();
  await fault.filter({ hasText: "Labels.path.pattern must be a pattern such as /blog/.*" }).waitFor();
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  const rules = { labels: { path: { pattern: "/blog/.*" } }, others: "reject" };
  await field.fill(JSON.stringify(rules));
  await page.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  assert.deepEqual(askedWith(double, "PATCH").at(-1)?.body, { accept: rules });
  assert.deepEqual(JSON.parse(await field.inputValue()), rules);
  await field.fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await eventually(() => assert.deepEqual(askedWith(double, "PATCH").at(-1)?.body, { accept: null }));
  await form.getByText("Saved.").waitFor();
});

scene("writers are listed by network, site and key, never as HTML", async ({ page, double }) => {
  await page.locator(".lists table").first().waitFor();
  assert.deepEqual(await rows(page, ".lists"), [
    ["n_3f9a01b2c3 DE, AS64496", "1,234,567", "4,000", "12", "98,765 at most 7 less", "Block n_3f9a01b2c3"],
    ["unknown", "20", "0", "0", "21", ""],
    ["https://spam.example", "1,234,567", "4,000", "12", "98,765 at most 7 less", "Block https://spam.example"],
    [IMAGE, "20", "0", "0", "21", `Block ${IMAGE}`],
    [OVERRIDE.trim(), "20", "0", "0", "21", `Block ${OVERRIDE}`.trim()],
    ["backup", "20", "0", "0", "21", "Revoke backup …"],
  ]);
  assert.equal(await page.locator("main img").count(), 0);
  assert.equal(await page.locator(".lists bdi").first().evaluate((el) => getComputedStyle(el).unicodeBidi), "isolate");
  assert.equal(await isWithinTheScreen(page), true);
  await page.getByRole("radio", { name: "Last hour" }).focus();
  await page.keyboard.press("ArrowRight");
  await eventually(() => assert.equal(double.asked.at(-1)?.what, "GET writers?window=1d"));
  await page.getByRole("button", { name: "Refresh" }).last().click();
  await eventually(() => assert.equal(double.asked.filter(({ what }) => what === "GET writers?window=1d").length, 2));
}, { given: crowd, options: PHONE });

scene("the keyboard blocks and unblocks, and changes nothing else", async ({ page, double }) => {
  await page.locator(".settings").getByLabel("Name").fill("half typed");
  const list = page.locator(".lists");
  await list.getByRole("button", { name: "Block n_3f9a01b2c3" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("n_3f9a01b2c3 is blocked.").waitFor();
  await eventually(async () => assert.ok(await list.getByRole("button", { name: "Unblock n_3f9a01b2c3" }).evaluate((el) => el === document.activeElement), "the focus stays"));
  await list.getByRole("button", { name: `Block ${IMAGE}` }).click();
  await eventually(() => assert.deepEqual(double.config.blocked, { networks: ["n_3f9a01b2c3"], origins: [IMAGE] }));
  await page.locator(".barred").getByRole("button", { name: "Unblock n_3f9a01b2c3" }).click();
  await page.getByText("n_3f9a01b2c3 can write again.").waitFor();
  assert.deepEqual(double.config.blocked, { networks: [], origins: [IMAGE] });
  assert.ok(askedWith(double, "PATCH").every(({ body }) => Object.keys(body).join() === "blocked"));
  assert.equal(await page.locator(".settings").getByLabel("Name").inputValue(), "half typed");
  assert.equal(await page.locator("main img").count(), 0);
}, { given: crowd });

scene("a typed network or site is blocked beside others', or refused", async ({ page, double }) => {
  const input = page.getByLabel("Block a network or a site");
  await input.fill("2001:db8::/48");
  await page.keyboard.press("Enter");
  await page.getByText("2001:db8::/48 is blocked.").waitFor();
  assert.equal(await input.inputValue(), "");
  double.config.blocked.networks.push("192.0.2.0/24");
  await input.fill("https://spam.example");
  await page.keyboard.press("Enter");
  await page.getByText("https://spam.example is blocked.").waitFor();
  assert.deepEqual(double.config.blocked, { networks: ["2001:db8::/48", "192.0.2.0/24"], origins: ["https://spam.example"] });
  assert.equal(await page.locator(".barred li").count(), 3);
  double.refusal = { status: 400, detail: '"nonsense" in `blocked.networks` is no network' };
  await input.fill("nonsense");
  await page.keyboard.press("Enter");
  await page.locator(".who .fault", { hasText: '"nonsense" in blocked.networks is no network.' }).waitFor();
  assert.equal(await input.inputValue(), "nonsense");
});

scene("a limit that is almost reached comes with advice, as text", async ({ page, double }) => {
  double.bounds = [
    { name: "series", used: 95_000, limit: 100_000, advice: "Remove series that nobody needs, or say in accept which labels there are." },
    { name: "storage_bytes", used: 7.5 * 1024 ** 3, limit: 10 * 1024 ** 3, advice: IMAGE },
    { name: "something_new", used: 7, limit: 10, advice: "Later." },
  ];
  await page.reload();
  await page.getByLabel("Owner token").waitFor();
  await signIn(page, worker, new URL(page.url()).search);
  await page.getByRole("heading", { name: "Near a limit" }).waitFor();
  const told = await page.locator(".bounds li").evaluateAll((all) => all.map((li) => /** @type {HTMLElement} */ (li).innerText.replace(/\s+/g, " ").trim()));
  assert.deepEqual(told, [
    "Series 95,000 of 100,000 95 % Remove series that nobody needs, or say in accept which labels there are.",
    `Storage 7.5 GiB of 10 GiB 75 % ${IMAGE}`,
    "something_new 7 of 10 70 % Later.",
  ]);
  assert.equal(await page.locator(".bounds .pill").first().getAttribute("data-kind"), "bad");
  assert.equal(await page.locator("main img").count(), 0);
});

scene("a replaced token is asked for, whichever panel is refused", async ({ page, double }) => {
  double.refusal = { status: 401, detail: "" };
  await page.getByLabel("Who the new key is for").fill("backup");
  await page.getByRole("button", { name: "Make a write key" }).click();
  await page.getByRole("heading", { name: "This is not the owner token" }).waitFor();
});

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  scene(`axe-core accepts the panels of writers, ${colorScheme}, on a phone`, async ({ page, double }) => {
    double.bounds = [{ name: "series", used: 95_000, limit: 100_000, advice: "Remove some." }, { name: "names", used: 750, limit: 1000, advice: "Remove some." }];
    double.config.blocked = { networks: ["192.0.2.0/24"], origins: [IMAGE] };
    await page.getByRole("navigation").getByRole("link", { name: "Streams" }).click();
    await page.goBack();
    await page.locator(".bounds li").first().waitFor();
    await page.locator(".lists table").first().waitFor();
    for (const group of await page.locator(".settings summary").all()) await group.click();
    await page.getByLabel("Who the new key is for").fill("backup");
    await page.getByRole("button", { name: "Make a write key" }).click();
    await page.locator(".fresh:not([hidden])").waitFor();
    double.refusal = { status: 400, detail: "`blocked.networks` no" };
    await page.getByLabel("Block a network or a site").fill("nonsense");
    await page.keyboard.press("Enter");
    await page.locator(".who .fault:not([hidden])").waitFor();
    await assertAccessible(page);
    assert.deepEqual(await wider(page), []);
  }, { given: crowd, options: { ...PHONE, colorScheme } });
}
