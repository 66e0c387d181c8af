// @ts-check
/** The question and the look of a chart of the reader page: aggregates, groups, filters, drilling down, comparing. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { card, chooseKind, pageOf, scenes, sums, totals } from "./reading.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Stream, Worker } from "./worker.mjs" */
/** @import { Page } from "playwright-core" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Stream} */
let stream;

before(async () => {
  worker = await startWorker();
  browser = await launch();
  stream = await worker.createStream("visits", { distinct: ["client"] });
  await worker.write(stream, [
    { n: 5, d: 10, v: { country: "US", device: "phone", client: "a" } },
    { n: 3, d: 4, v: { country: "DE", device: "desktop", client: "b" } },
    { n: 2, d: 2, v: { country: "DE", device: "phone", client: "a" } },
    { n: 1, d: 1, v: { city: "Rome", client: "c" } },
  ]);
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

const scene = scenes(() => browser);

/** @param {Page} page */
const queryOf = (page) => new URL(page.url()).searchParams;

/** @param {Page} page @param {Record<string, string>} expected */
const shows = (page, expected) => eventually(async () => assert.deepEqual(await sums(page), expected));

scene("the aggregate is chosen from a list, or typed", async ({ page }) => {
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "11" });
  const field = page.getByRole("combobox", { name: "Aggregate" });
  await field.click();
  await page.getByRole("option", { name: /^count/ }).click();
  await shows(page, { "all points": "4" });
  assert.equal(queryOf(page).get("agg"), "count");

  await field.fill("distinct:client");
  await field.press("Enter");
  await shows(page, { "all points": "3" });
  await field.fill("ratio");
  await page.getByRole("heading", { name: "Distinct client" }).click({ force: true });
  await shows(page, { "all points": "0.6471" });
});

scene("the keyboard adds and removes labels to group by", async ({ page }) => {
  await page.goto(pageOf(worker, stream));
  await shows(page, { "all points": "11" });
  const field = page.getByRole("combobox", { name: "Group by" });
  await field.focus();
  await page.getByRole("option", { name: /^country/ }).waitFor();
  assert.deepEqual((await page.locator(".choices li").allInnerTexts()).map((text) => text.split("\n")[0]).sort(), ["*", "city", "country", "device"]);
  await field.pressSequentially("cou");
  await eventually(async () => assert.equal(await page.locator(".choices:not([hidden]) li").count(), 1));
  await field.press("ArrowDown");
  assert.equal(await field.getAttribute("aria-activedescendant"), await page.getByRole("option", { name: /^country/ }).getAttribute("id"));
  await field.press("Enter");
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  assert.equal(queryOf(page).get("by"), "country");

  await field.fill("device");
  await field.press("Enter");
  await shows(page, { "US · phone": "5", "DE · desktop": "3", "DE · phone": "2", "without country · without device": "1" });
  await page.getByRole("button", { name: "Don't group by country" }).click();
  await shows(page, { phone: "7", desktop: "3", "without device": "1" });
  await page.goBack();
  await page.goBack();
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  await page.goForward();
  await eventually(async () => assert.equal(Object.keys(await sums(page)).length, 4));
  assert.ok(new URL(page.url()).hash.includes(stream.read_key));
});

scene("filters offer the stream's labels and values, and can be removed", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "device" }));
  await shows(page, { phone: "7", desktop: "3", "without device": "1" });
  await page.getByRole("button", { name: "+ filter" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a filter" });
  await dialog.getByRole("option", { name: /^country/ }).click();
  await dialog.getByRole("option", { name: /^DE/ }).click();
  await shows(page, { desktop: "3", phone: "2" });
  assert.deepEqual(queryOf(page).getAll("where"), ["country=DE"]);

  await page.getByRole("button", { name: "+ filter" }).click();
  await dialog.getByRole("combobox", { name: "Label" }).fill("device");
  await dialog.getByLabel("Test").selectOption("!~");
  await dialog.getByRole("combobox", { name: "Value" }).fill("p.*");
  await page.keyboard.press("Enter");
  await shows(page, { desktop: "3" });
  assert.deepEqual(queryOf(page).getAll("where"), ["country=DE", "device!~p.*"]);

  await page.getByRole("button", { name: "Remove the filter country is DE" }).click();
  await shows(page, { desktop: "3", "without device": "1" });
});

scene("filters that match nothing differ from an empty stream", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { where: "country=FR" }));
  await page.getByRole("heading", { name: "No points in the last hour match the filters" }).waitFor();
  assert.deepEqual(await totals(page), []);
});

scene("the menu of a series selects it, excludes it or regroups it", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  await page.getByRole("button", { name: "DE", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "Only this one, by device" }).waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await shows(page, { US: "5", "without country": "1" });
  assert.deepEqual(queryOf(page).getAll("where"), ["country!=DE"]);

  await page.goBack();
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  await page.getByRole("button", { name: "DE", exact: true }).click();
  await page.getByRole("menuitem", { name: "Only this one, by device" }).click();
  await shows(page, { desktop: "3", phone: "2" });
  assert.deepEqual([queryOf(page).get("by"), queryOf(page).getAll("where")], ["device", ["country=DE"]]);

  await page.goto(pageOf(worker, stream, { by: "country" }));
  await page.getByRole("button", { name: "without country" }).last().click();
  await page.getByRole("menuitem", { name: "Only this one", exact: true }).click();
  await shows(page, { "without country": "1" });
});

scene("the table sorts by any column, and hides and shows series", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "device" }));
  const names = async () => (await totals(page)).map(({ name }) => name);
  await eventually(async () => assert.deepEqual(await names(), ["phone", "desktop", "without device"]));
  assert.deepEqual((await totals(page)).map(({ share }) => share), ["64 %", "27 %", "9.1 %"]);
  await page.getByRole("columnheader", { name: "Total" }).getByRole("button").click();
  await page.getByRole("columnheader", { name: "Total" }).getByRole("button").click();
  await eventually(async () => assert.deepEqual(await names(), ["without device", "desktop", "phone"]));
  assert.equal(await page.getByRole("columnheader", { name: "Total" }).getAttribute("aria-sort"), "ascending");
  await page.getByRole("columnheader", { name: "Series" }).getByRole("button").click();
  await eventually(async () => assert.deepEqual(await names(), ["desktop", "phone", "without device"]));

  const box = page.getByRole("button", { name: "Show phone" });
  await box.click();
  await eventually(async () => assert.equal(await box.getAttribute("aria-pressed"), "false"));
  const hidden = () => page.locator("heartbeat-chart").evaluate((/** @type {any} */ el) => el.lines.filter((/** @type {any} */ one) => one.isHidden).map((/** @type {any} */ one) => one.name.text));
  await eventually(async () => assert.deepEqual(await hidden(), ["phone"]));
  await box.click();
  await eventually(async () => assert.equal(await box.getAttribute("aria-pressed"), "true"));
});

scene("arrow keys move the cursor; table and speech have its values", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  const cursor = page.getByRole("slider", { name: "Time cursor of the chart" });
  await cursor.focus();
  const text = await eventually(async () => {
    await cursor.press("ArrowLeft");
    // Of one moment: as a step begins, the cursor stays where it is, and the values move on.
    const { rows, text } = await page.evaluate(() => ({
      rows: Array.from(document.querySelectorAll("table.totals tbody tr"), (tr) => [tr.querySelector(".name")?.textContent, tr.querySelector("[data-column=at]")?.textContent]),
      text: document.querySelector("heartbeat-chart")?.shadowRoot?.querySelector("[role=slider]")?.getAttribute("aria-valuetext"),
    }));
    assert.equal(Object.fromEntries(rows).US, "5");
    return text ?? "";
  });
  assert.match(text, /^\d\d:\d\d:\d\d( [AP]M)?(, still open)?: .*US 5/);
  await cursor.press("Escape");
  await eventually(async () => assert.equal((await totals(page))[0].at, ""));
});

scene("a chart is lines, stacked, bars or a number, as in its address", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  for (const [words, kind] of [["Stacked", "area"], ["Bars", "bars"], ["Number", "number"]]) {
    await chooseKind(page, words);
    await eventually(async () => assert.equal(await page.locator("heartbeat-chart").getAttribute("kind"), kind));
    await shows(page, { US: "5", DE: "5", "without country": "1" });
    assert.equal(queryOf(page).get("kind"), kind);
  }
  await eventually(async () => assert.deepEqual((await page.locator(".numbers dd").allInnerTexts()).sort(), ["1", "5", "5"]));
  await chooseKind(page, "Lines");
  await eventually(async () => assert.equal(queryOf(page).has("kind"), false));
});

scene("a new look sends nothing; a new query keeps the old numbers", async ({ page }) => {
  const sockets = /** @type {string[]} */ ([]);
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await shows(page, { US: "5", DE: "5", "without country": "1" });
  await chooseKind(page, "Stacked");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByLabel("Time zone").selectOption("utc");
  await page.getByText("compared with the hour before").waitFor();
  assert.equal(sockets.length, 1);

  await page.evaluate(() => {
    const { hidden } = /** @type {any} */ (Object.getOwnPropertyDescriptors(HTMLElement.prototype));
    Object.assign(globalThis, { hidings: 0 });
    new MutationObserver((all) => all.some(({ target }) => hidden.get.call(target)) && (/** @type {any} */ (globalThis).hidings += 1)).observe(/** @type {Element} */ (document.querySelector("heartbeat-chart")), { attributeFilter: ["hidden"] });
  });
  await page.getByRole("combobox", { name: "Group by" }).fill("device");
  await page.keyboard.press("Enter");
  await eventually(async () => assert.equal(Object.keys(await sums(page)).length, 4));
  assert.equal(sockets.length, 2);
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).hidings), 0);
});

scene("a chart is compared with the period before", async ({ page }) => {
  const now = Math.floor(Date.now() / 1000);
  const two = await worker.createStream();
  const points = (/** @type {string} */ country, /** @type {number} */ n, /** @type {number} */ ago_s) => ({ n, t: now - ago_s, v: { country } });
  await worker.write(two, [points("US", 30, 1800), points("US", 20, 5400), points("DE", 8, 1800), points("DE", 10, 5400), points("FR", 7, 5400), points("IT", 4, 1800)]);
  await page.goto(pageOf(worker, two, { by: "country" }));
  await shows(page, { US: "30", DE: "8", IT: "4" });
  await page.getByRole("button", { name: "Compare" }).click();
  await eventually(async () => assert.deepEqual((await totals(page)).map(({ name, before, change }) => [name, before, change]), [["US", "20", "+50 %"], ["DE", "10", "−20 %"], ["IT", "–", "–"]]));
  assert.ok(queryOf(page).has("compare"));
  const drawn = () => page.locator("heartbeat-chart").evaluate((/** @type {any} */ el) => el.lines.filter((/** @type {any} */ one) => one.isPrevious).map((/** @type {any} */ one) => one.name.text));
  await eventually(async () => assert.deepEqual(await drawn(), ["US, previous period", "DE, previous period"]));
  await page.getByText("compared with the hour before").waitFor();
});

scene("a chart's title is the reader's to choose", async ({ page }) => {
  await page.goto(pageOf(worker, stream, { by: "country" }));
  await page.getByLabel("Title of the chart").fill("Where from");
  await page.keyboard.press("Enter");
  await card(page).getByRole("heading", { name: "Where from" }).waitFor();
  assert.equal(queryOf(page).get("label"), "Where from");
});
