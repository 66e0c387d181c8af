// @ts-check
/** The page's charts, saved as a file and read from one. */

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
  // The key of this stream is not that of another one.
  return { mistake: "", change: { ...read, key: read.stream === now.stream ? now.key : "" } };
}
