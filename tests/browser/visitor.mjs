// @ts-check
/** A visitor with a browser context of their own, who records everything that a page must not do. */

import assert from "node:assert/strict";
import { DEADLINE_MS } from "./eventually.mjs";

/** The locale of every visitor, as in `BROWSER_LOCALE=he`; by default the one that launch() gives the browser. */
const LOCALE = process.env.BROWSER_LOCALE || undefined;

/** @typedef {Awaited<ReturnType<typeof visit>>} Visitor */

/**
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function visit(browser, options) {
  const context = await browser.newContext({ locale: LOCALE, timezoneId: "UTC", ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const complaints = /** @type {string[]} */ ([]);
  const requests = /** @type {import("playwright-core").Request[]} */ ([]);

  page.on("console", (message) => {
    if (message.type() === "error" && !isRefusal(message)) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => requests.push(request));

  /** The table under the chart: name, value at the cursor, latest, summary. @returns {Promise<string[][]>} */
  function rows() {
    return page
      .locator("table.series tbody tr")
      .evaluateAll((all) => all.map((tr) => Array.from(/** @type {HTMLTableRowElement} */ (tr).cells, (cell) => cell.innerText)));
  }

  /** No script error, no console error, no content-security violation (the browser reports it as one), no dialog. */
  function assertClean() {
    assert.deepEqual(complaints, []);
  }

  /** Nobody waits for the answers that are still on the way. */
  async function close() {
    await Promise.all(context.pages().map((one) => one.unrouteAll({ behavior: "ignoreErrors" })));
    await context.close();
  }

  return { page, requests, complaints, rows, assertClean, close };
}

/**
 * A browser logs each refused API call as an error, even if the page handles it.
 * @param {import("playwright-core").ConsoleMessage} message
 */
function isRefusal(message) {
  const text = message.text();
  return (text.startsWith("Failed to load resource") && message.location().url.includes("/v1/")) || (/^WebSocket connection to '[^']*\/v1\/[^']*' failed: (Error during WebSocket handshake: Unexpected response code|HTTP Authentication failed)/.test(text));
}
