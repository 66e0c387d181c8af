// @ts-check
/**
 * <heartbeat-chart> in a real browser, on a page of another origin whose policy allows only the deployment's scripts
 * and connections. The server speaks the protocol from a model; the real Worker has its own tests.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { startLiveServer } from "./live-server.mjs";
import { startSite } from "./chart-site.mjs";
import { visit } from "./visitor.mjs";

/** @import { LiveServer } from "./live-server.mjs" */
/** @import { Visitor } from "./visitor.mjs" */

const AXE = createRequire(import.meta.url).resolve("axe-core");

/** @type {import("playwright-core").Browser} */
let browser;

before(async () => void (browser = await launch()));
after(() => browser?.close());

/**
 * One chart on one page with one server; nothing may be wrong at the end.
 * @param {string} name
 * @param {string} attributes of the chart
 * @param {(scene: Visitor & { server: LiveServer, chart: import("playwright-core").Locator, show: (attributes: string)
 *   => Promise<void> }) => Promise<void>} story
 * @param {import("playwright-core").BrowserContextOptions & { mayFail?: boolean }} [options]
 */
function scene(name, attributes, story, { mayFail = false, ...options } = {}) {
  test(name, async () => {
    const server = await startLiveServer();
    const site = await startSite(server.origin);
    const visitor = await visit(browser, options);
    const show = async (/** @type {string} */ attributes) => {
      site.show(`<heartbeat-chart stream="id" key="rk_1" ${attributes}></heartbeat-chart>`);
      await visitor.page.goto(site.url);
    };
    try {
      await story({ ...visitor, server, show: () => show(attributes), chart: visitor.page.locator("heartbeat-chart") });
      // Connections that are refused on purpose are errors in the console.
      if (!mayFail) visitor.assertClean();
    } finally {
      await visitor.close();
      await server.stop().catch(() => {});
      site.stop();
    }
  });
}

/** Whether something of each colour is drawn: painted pixels. @param {import("playwright-core").Locator} chart */
function paintedPixels(chart) {
  return chart.evaluate((el) => {
    const canvas = /** @type {HTMLCanvasElement} */ (el.shadowRoot?.querySelector("canvas"));
    const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, canvas.width, canvas.height);
    const colours = /** @type {Record<string, number>} */ ({});
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 255) continue;
      const colour = `#${[0, 1, 2].map((k) => data[i + k].toString(16).padStart(2, "0")).join("")}`;
      colours[colour] = (colours[colour] ?? 0) + 1;
    }
    return colours;
  });
}

scene("a chart draws series with their totals, and follows new points", 'by="country"', async ({ server, show, chart, rows }) => {
  for (let i = 0; i < 20; i++) server.write(i + 1, { country: "US" }, i * 10 + 10);
  server.write(5, { country: "DE" }, 100);
  await show("");
  await eventually(async () => assert.deepEqual(await rows(), [["US", "", "1", "210"], ["DE", "", "5", "5"]]));
  await chart.getByRole("heading", { name: "Sum of n by country" }).waitFor();
  await chart.getByText("Live", { exact: true }).waitFor();
  await eventually(async () => assert.ok((await paintedPixels(chart))["#1d3bcf"] > 100));

  server.write(7, { country: "DE" });
  await eventually(async () => assert.deepEqual((await rows())[1], ["DE", "", "7", "12"]));
});

scene("each kind is drawn", 'by="country"', async ({ server, show, chart, rows }) => {
  for (let i = 0; i < 100; i++) for (const country of ["US", "DE"]) server.write(10, { country }, i * 10 + 10);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 2));
  const set = (/** @type {Record<string, string>} */ attributes) => chart.evaluate((el, attributes) => {
    for (const name of ["kind", "stacked"]) el.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  }, attributes);

  const paints = (/** @type {string[]} */ ...colours) => eventually(async () => {
    const pixels = await paintedPixels(chart);
    for (const colour of colours) assert.ok(pixels[colour] > 1000, colour);
  });

  // Both are always 10: as lines one hides the other; a stack shows both.
  await set({ stacked: "" });
  await paints("#6176dd", "#e06f51");
  await set({ kind: "bars" });
  await paints("#1d3bcf", "#d23107");
  await set({ kind: "number" });
  await eventually(async () => assert.deepEqual(await chart.locator("dd").allInnerTexts(), ["1,000", "1,000"]));
  assert.equal(await chart.locator(".stage").isVisible(), false);
});

scene("one big number is the window's, with its line below", 'kind="number" agg="count"', async ({ server, show, chart }) => {
  for (let i = 0; i < 100; i++) server.write(10, {}, i * 10 + 10);
  await show("");
  await eventually(async () => assert.deepEqual(await chart.locator("dd").allInnerTexts(), ["100"]));
  await chart.locator(".stage").waitFor();
});

scene("a click hides and shows a series; Shift keeps only that one", 'by="country"', async ({ server, show, chart, page }) => {
  for (const country of ["US", "DE", "FR"]) for (let i = 1; i < 50; i++) server.write(country.length + i, { country }, i * 10);
  await show("");
  const button = (/** @type {string} */ name) => chart.getByRole("button", { name, exact: true });
  const pressed = () => chart.locator("tbody button").evaluateAll((all) => Object.fromEntries(all.map((el) => [String(el.textContent), el.getAttribute("aria-pressed")])));
  await button("DE").click();
  await eventually(async () => assert.deepEqual(await pressed(), { US: "true", DE: "false", FR: "true" }));
  await button("DE").click();
  await eventually(async () => assert.deepEqual(await pressed(), { US: "true", DE: "true", FR: "true" }));

  await button("FR").focus();
  await page.keyboard.press("Shift+Enter");
  await eventually(async () => assert.deepEqual(await pressed(), { US: "false", DE: "false", FR: "true" }));
  await button("Show all series").click();
  await eventually(async () => assert.deepEqual(await pressed(), { US: "true", DE: "true", FR: "true" }));

  // A page that drills down handles the click itself.
  const chosen = await chart.evaluateHandle((el) => {
    const chosen = /** @type {any[]} */ ([]);
    el.addEventListener("heartbeat-select", (event) => (event.preventDefault(), chosen.push(/** @type {CustomEvent} */ (event).detail)));
    return chosen;
  });
  await button("DE").click();
  await eventually(async () => assert.deepEqual(await chosen.jsonValue(), [{ agg: "sum", labels: { country: "DE" } }]));
  assert.equal(await button("DE").getAttribute("aria-pressed"), "true");
});

scene("pointing at a legend row dims all other series", 'by="country"', async ({ server, show, chart, rows, page }) => {
  for (let k = 0; k < 30; k++) for (let i = 1; i < 60; i++) server.write(1000 - 10 * k, { country: `c${k}` }, i * 10);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 30));
  const pixels = async (/** @type {string} */ colour) => (await paintedPixels(chart))[colour] ?? 0;
  await eventually(async () => assert.ok((await pixels("#1d3bcf")) > 50 && (await pixels("#d23107")) > 50));
  await chart.getByRole("button", { name: "c0", exact: true }).hover();
  await eventually(async () => assert.ok((await pixels("#1d3bcf")) > 50 && (await pixels("#d23107")) === 0));
  await page.mouse.move(0, 0);
  await eventually(async () => assert.ok((await pixels("#d23107")) > 50));
});

scene("arrow keys move the cursor; legend and speech have its values", 'by="country"', async ({ server, show, chart, rows, page }) => {
  server.write(6, { country: "US" }, 20);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  const cursor = chart.getByRole("slider", { name: "Time cursor of the chart" });
  await cursor.focus();
  const text = await eventually(async () => {
    await page.keyboard.press("ArrowLeft");
    // Of one moment: as a step begins, the cursor stays where it is, and the values move on.
    const { at, text } = await chart.evaluate((el) => ({
      at: /** @type {HTMLTableRowElement} */ (el.shadowRoot?.querySelector("table.series tbody tr")).cells[1].innerText,
      text: el.shadowRoot?.querySelector("[role=slider]")?.getAttribute("aria-valuetext"),
    }));
    assert.equal(at, "6");
    return text ?? "";
  });
  assert.match(text, /^\d\d:\d\d:\d\d( [AP]M)?: US 6$/);
  await page.keyboard.press("Escape");
  await eventually(async () => assert.equal((await rows())[0][1], ""));
  assert.match(await chart.locator("#summary").innerText(), /^Line chart: Sum of n by country\. From .* 1 series\. US: total 6, latest 6, highest 6 at/);
});

scene("a drag zooms, and a double click shows all again; so do keys", 'by="country" window="1h"', async ({ server, show, chart, rows, page }) => {
  for (let i = 1; i < 300; i++) server.write(i, { country: "US" }, i * 10);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  const spans = await chart.evaluateHandle((el) => {
    const spans = /** @type {any[]} */ ([]);
    el.addEventListener("heartbeat-zoom", (event) => spans.push(/** @type {CustomEvent} */ (event).detail));
    return spans;
  });
  const last = () => spans.evaluate((spans) => spans.at(-1));
  const { x, y, width } = /** @type {{ x: number, y: number, width: number }} */ (await chart.locator(".u-over").boundingBox());
  await page.mouse.move(x + width / 2, y + 40);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.75, y + 60, { steps: 4 });
  await page.mouse.up();
  const { from } = await eventually(async () => {
    const { from, to } = await last();
    assert.ok(Math.abs(to - from - 900) < 20, `${to - from} s`);
    return { from };
  });
  await chart.getByRole("button", { name: "Show the whole window" }).waitFor();

  await page.mouse.wheel(-100, 0);
  await eventually(async () => assert.ok((await last()).from < from));
  await page.mouse.dblclick(x + width / 2, y + 40);
  await eventually(async () => assert.equal(await last(), null));
  await chart.getByRole("slider").press("+");
  await eventually(async () => {
    const { from, to } = await last();
    assert.ok(Math.abs(to - from - 1800) < 20);
  });
  await chart.getByRole("slider").press("0");
  await eventually(async () => assert.equal(await last(), null));
});

scene("hostile labels are text, and stay where they are", 'by="<b>x</b>" kind="area"', async ({ server, show, chart, rows, page }) => {
  const hostile = ["<img src=x onerror=alert(1)>", "\u202Egnp.exe", "x".repeat(256), "\u2066\u2067a\nb\u0000", "javascript:alert(1)", "constructor"];
  hostile.forEach((value, i) => server.write(60 - i, { "<b>x</b>": value }, 30));
  await show("");
  await eventually(async () => assert.equal((await rows()).length, hostile.length));
  const texts = await chart.locator("tbody bdi").evaluateAll((all) => all.map((el) => el.textContent));
  assert.deepEqual(texts, hostile);
  await chart.getByText("Data as a table").click();
  assert.equal(await chart.locator("img, script, b").count(), 0);
  assert.ok(await chart.locator("bdi").evaluateAll((all) => all.every((el) => getComputedStyle(el).unicodeBidi === "isolate")));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
}, { viewport: { width: 360, height: 740 } });

scene("a gap is a gap", "", async ({ server, show, chart, rows }) => {
  // A quarter, nothing in the middle half, a quarter.
  for (let i = 1; i < 360; i++) if (i < 90 || i > 270) server.write(100, {}, i * 10);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  const columns = () => chart.evaluate((el) => {
    const canvas = /** @type {HTMLCanvasElement} */ (el.shadowRoot?.querySelector("canvas"));
    const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, canvas.width, canvas.height);
    const isBlue = (/** @type {number} */ x) => Array.from({ length: canvas.height }, (_, y) => 4 * (y * canvas.width + x)).some((i) => data[i + 3] > 200 && data[i + 2] > data[i] + 60);
    return [0.2, 0.5, 0.9].map((share) => isBlue(Math.round(canvas.width * share)));
  });
  await eventually(async () => assert.deepEqual(await columns(), [true, false, true]));
});

scene("scheme, attribute and custom properties set the colours", 'by="country"', async ({ server, show, chart, rows, page }) => {
  for (let i = 1; i < 50; i++) server.write(i, { country: "US" }, i * 10);
  await page.emulateMedia({ colorScheme: "dark" });
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  const ground = () => chart.evaluate((el) => getComputedStyle(el).backgroundColor);
  await eventually(async () => assert.ok((await paintedPixels(chart))["#707ee9"] > 50));
  assert.equal(await ground(), "rgb(23, 28, 34)");
  await page.emulateMedia({ colorScheme: "light" });
  await eventually(async () => assert.ok((await paintedPixels(chart))["#1d3bcf"] > 50));
  assert.equal(await ground(), "rgb(255, 255, 255)");
  await chart.evaluate((el) => el.setAttribute("theme", "dark"));
  await eventually(async () => assert.ok((await paintedPixels(chart))["#707ee9"] > 50));
  await chart.evaluate((el) => (/** @type {HTMLElement} */ (el).style.setProperty("--heartbeat-series-0", "hotpink"), el.setAttribute("theme", "light")));
  await eventually(async () => assert.ok((await paintedPixels(chart))["#ff69b4"] > 50));
});

scene("the time zone is the viewer's, or the one that is asked for", "", async ({ server, show, chart, rows, page }) => {
  server.write(1, {}, 20);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  await chart.getByRole("slider").press("Home");
  const hour = async (zone = "") => {
    await chart.evaluate((el, zone) => (zone ? el.setAttribute("timezone", zone) : el.removeAttribute("timezone")), zone);
    return Number((await chart.locator(".at").innerText()).slice(0, 2));
  };
  // An hour may end in between.
  await eventually(async () => assert.equal(((await hour()) - (await hour("utc")) + 24) % 24, 9));
  await eventually(async () => assert.equal(((await hour("no/where")) - (await hour("utc")) + 24) % 24, 9));
  void page;
  // Of 24 hours: on a clock of 12, the difference of nine depends on the time of day.
}, { timezoneId: "Asia/Tokyo", locale: "en-GB" });

scene("a chart is as wide as it may be", "", async ({ server, show, chart, rows, page }) => {
  server.write(1, {}, 20);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  const width = () => chart.locator("canvas").evaluate((el) => el.clientWidth);
  const wide = await width();
  await page.setViewportSize({ width: 400, height: 700 });
  await eventually(async () => assert.ok((await width()) < 400));
  await page.setViewportSize({ width: 1280, height: 720 });
  await eventually(async () => assert.equal(await width(), wide));
});

scene("a restart of the server loses no point and counts none twice", 'by="country"', async ({ server, show, chart, rows }) => {
  server.write(5, { country: "US" });
  await show("");
  await eventually(async () => assert.equal((await rows())[0][3], "5"));
  for (const forgets of [false, true]) {
    await server.stop();
    server.write(10, { country: "US" });
    await chart.getByText("Offline, trying again").waitFor();
    assert.equal(await chart.locator("canvas").isVisible(), true);
    if (forgets) server.ways.epoch += 1;
    await server.start();
    server.write(3, { country: "US" });
    await chart.getByText("Live", { exact: true }).waitFor();
    const sum = server.model.points.reduce((sum, { n }) => sum + n, 0);
    await eventually(async () => assert.equal((await rows())[0][3], String(sum)));
  }
}, { mayFail: true });

scene("events replace a blocked socket, polls blocked events", 'by="country"', async ({ server, show, chart, rows }) => {
  const way = () => chart.evaluate((el) => /** @type {any} */ (el).reader.way);
  server.ways.hasSockets = false;
  server.write(5, { country: "US" });
  for (const [expected, change] of /** @type {const} */ ([["events", {}], ["deltas", { hasEvents: false }], ["rollup", { deltasStatus: 404 }]])) {
    Object.assign(server.ways, change);
    await show("");
    await eventually(async () => assert.equal(await way(), expected));
    server.write(1, { country: "US" });
    const sum = server.model.points.reduce((sum, { n }) => sum + n, 0);
    await eventually(async () => assert.equal((await rows())[0][3], String(sum)));
    await eventually(async () => assert.equal(await chart.evaluate((el) => /** @type {any} */ (el).reader.state), "live"));
  }
}, { mayFail: true });

scene("a problem appears with its meaning", 'by="country"', async ({ server, show, chart }) => {
  server.ways.hasSockets = false;
  for (const [deltasStatus, rollupStatus, title] of /** @type {const} */ ([[401, 401, "This read key does not open the stream"], [404, 404, "No such stream"], [422, 422, "T422"], [503, 200, "T503"]])) {
    Object.assign(server.ways, { deltasStatus, rollupStatus });
    await show("");
    await chart.getByText(title).waitFor();
  }
  await chart.evaluate((el) => el.setAttribute("step", "soon"));
  await chart.getByText('step: "soon" is not a duration').waitFor();
}, { mayFail: true });

scene("an empty stream has a notice, and its first point appears", "", async ({ server, show, chart, rows }) => {
  await show("");
  await chart.getByText("No points in this window").waitFor();
  server.write(4, {});
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "4", "4"]]));
  assert.equal(await chart.getByText("No points in this window").isVisible(), false);
});

scene("the largest series stay, and one line sums up the rest", 'by="host" top="20"', async ({ server, show, chart, rows }) => {
  for (let i = 0; i < 500; i++) server.write(1000 - i, { host: `host-${i}` }, 20);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 21));
  await chart.getByText("The 20 largest of 500 series; the rest is “all others”.").waitFor();
  const total = (await rows()).reduce((sum, [, , , summary]) => sum + Number(summary.replace(",", "")), 0);
  assert.equal(total, server.model.points.reduce((sum, { n }) => sum + n, 0));
});

scene("data replace a stream, even if set before the module loads", "", async ({ server, show, chart, rows, page }) => {
  // Runs before the element is defined.
  await page.addInitScript(() => new MutationObserver((_, observer) => {
    const el = /** @type {any} */ (document.querySelector("heartbeat-chart"));
    if (!el) return;
    observer.disconnect();
    el.data = { from: 0, to: 30, step: 10, agg: ["sum"], times: [0, 10, 20], series: [{ labels: {}, sum: [1, null, 3] }] };
  }).observe(document, { childList: true, subtree: true }));
  await page.route("**/heartbeat-chart.mjs", async (route) => {
    await page.waitForFunction(() => Object.hasOwn(document.querySelector("heartbeat-chart") ?? {}, "data"));
    await route.continue();
  });
  await show("");
  await eventually(async () => assert.deepEqual(await rows(), [["all points", "", "3", "4"]]));
  assert.equal(server.readers.size, 0);
  assert.equal(await chart.locator(".state").isVisible(), false);
  await chart.evaluate((el) => (/** @type {any} */ (el).data = null));
  await eventually(async () => assert.equal(server.readers.size, 1));
});

scene("the chart makes a picture of itself", "", async ({ server, show, chart, rows }) => {
  server.write(1, {}, 20);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  const picture = await chart.evaluate(async (el) => {
    const blob = await /** @type {any} */ (el).toBlob();
    return [blob.type, blob.size > 1000];
  });
  assert.deepEqual(picture, ["image/png", true]);
});

scene("a moved element keeps its connection, a removed one ends it", 'by="country"', async ({ server, show, chart, rows, page }) => {
  server.write(5, { country: "US" });
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 1));
  await chart.evaluate((el) => document.body.append(el));
  await eventually(async () => assert.equal((await rows()).length, 1));
  assert.equal(server.asked.filter((path) => path === "socket").length, 1);
  await chart.evaluate((el) => el.setAttribute("window", "10m"));
  await eventually(async () => assert.equal(server.asked.filter((path) => path === "socket").length, 2));
  await chart.evaluate((el) => el.remove());
  await eventually(async () => assert.equal(server.readers.size, 0));
  void page;
});

scene("axe finds nothing serious, in any kind and scheme", 'by="country"', async ({ server, show, chart, rows, page }) => {
  for (const country of ["US", "DE", ""]) for (let i = 1; i < 60; i++) server.write(i, { country }, i * 10);
  await show("");
  await eventually(async () => assert.equal((await rows()).length, 3));
  await chart.getByText("Data as a table").click();
  await chart.locator("tbody button").first().click();
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    for (const kind of ["line", "area", "bars", "number"]) {
      await chart.evaluate((el, kind) => (el.setAttribute("kind", kind), el.setAttribute("theme", "")), kind);
      // Through the debugger: the page's policy allows no other script.
      await page.evaluate(`${(await import("node:fs")).readFileSync(AXE, "utf8")}; 0`);
      const { violations } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run("heartbeat-chart"));
      assert.deepEqual(violations.map((/** @type {any} */ one) => [one.impact, one.id, one.nodes[0].html]), [], `${kind}, ${colorScheme}`);
    }
  }
});
