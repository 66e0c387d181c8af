// @ts-check
/** Downloads. The page makes files from answers, so that no link has the key in it. */

import { h } from "../chart/dom.mjs";

/** A browser begins to read the file within this time. */
const KEPT_MS = 60_000;

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  h("a", { href: kept(blob), download: name.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 80) }).click();
}

/** Shows a file in a tab of its own. @param {Blob} blob */
export function show(blob) {
  h("a", { href: kept(blob), target: "_blank", rel: "noopener" }).click();
}

/** @param {Blob} blob */
function kept(blob) {
  const url = URL.createObjectURL(blob);
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
  return url;
}
