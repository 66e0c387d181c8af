// @ts-check
/** A visitor who signs in to the owner's page. */

import { OWNER_TOKEN } from "./worker.mjs";

/**
 * @param {import("playwright-core").Page} page
 * @param {{ origin: string }} worker
 * @param {string} [search] which part of the page
 * @param {string} [token]
 */
export async function signIn(page, worker, search = "", token = OWNER_TOKEN) {
  await page.goto(`${worker.origin}/owner.html${search}`);
  await page.getByLabel("Owner token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}
