// @ts-check
/** Saves the page's charts as a file, and reads them from one. */

import { formatDashboard, parseDashboard } from "./dashboard.js";
import { download } from "./download.js";

/** @import { Address } from "./address.js" */

/** @param {Address} address @param {string} name */
export function save(address, name) {
  download(new Blob([formatDashboard(address)], { type: "application/json" }), `dashboard-${name}.json`);
}

/**
 * @param {HTMLInputElement} input
 * @param {Address} now
 * @returns {Promise<{ mistake: string, change?: Partial<Address> }>}
 */
export async function read(input, now) {
  const [file] = input.files ?? [];
  if (!file) return { mistake: "" };
  const read = parseDashboard(await file.text());
  input.value = "";
  if ("mistake" in read) return read;
  // The key in the address is for this stream only.
  return { mistake: "", change: { ...read, key: read.stream === now.stream ? now.key : "" } };
}
