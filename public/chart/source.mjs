// @ts-check
/** Where a chart's numbers come from: a stream that it follows, or data that the page sets in place of one. */

import { EMPTY, viewOf } from "../live/view.mjs";
import { open } from "../reader.mjs";

/** @import { Options } from "../live/query.mjs" */
/** @import { View } from "../live/view.mjs" */
/** @import { Reader } from "../reader.mjs" */

/** @param {() => void} onchange called when the numbers or the state of the reader change */
export function createSource(onchange) {
  let reader = /** @type {Reader | null} */ (null);
  let data = /** @type {View | null} */ (null);
  let mistake = /** @type {{ title: string, detail: string } | null} */ (null);
  let asked = "null";

  /**
   * Follows the stream of a question; the same question keeps its reader. Data of the page goes before any question.
   * @param {Options | null} question null while the element is not in a page
   * @returns {boolean} whether it begins anew
   */
  function ask(question) {
    const wanted = data ? null : question;
    const text = JSON.stringify(wanted);
    if (reader && asked === text) return false;
    reader?.close();
    reader = mistake = null;
    asked = text;
    if (wanted) follow(wanted);
    return true;
  }

  /** @param {Options} options */
  function follow(options) {
    try {
      reader = open(options);
      reader.onchange = onchange;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      mistake = { title: "This chart can't be drawn", detail: error.message };
    }
  }

  return {
    ask,
    get reader() { return reader; },
    get view() { return data ?? reader?.view ?? EMPTY; },
    /** `data` for the page's own data, else as the reader has it. */
    get state() { return mistake ? "refused" : data ? "data" : reader?.state ?? "closed"; },
    get problem() { return mistake ?? reader?.problem ?? null; },
    /** The page's own data; `ask` again after a change. */
    get data() { return data; },
    set data(/** @type {Omit<View, "totals"> | View | null} */ next) {
      data = next && "totals" in next ? next : next && viewOf({ now: Date.now() / 1000, ...next });
    },
  };
}
