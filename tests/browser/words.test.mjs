// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { chartNotice, windowWords } from "../../public/chart/words.mjs";

test("a window is named by its requested length, not its widened one", () => {
  const span = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ step) => windowWords(/** @type {any} */ ({ from, to, step }));
  assert.equal(span(0, 3610, 10), "Last hour, in steps of 10 seconds");
  assert.equal(span(0, 3660, 60), "Last hour, in steps of 1 minute");
  assert.equal(span(0, 600, 10), "Last 10 minutes, in steps of 10 seconds");
  assert.equal(span(0, 8 * 86_400, 86_400), "Last week, in steps of 1 day");
  assert.equal(span(0, 10, 10), "Last 10 seconds, in steps of 10 seconds");
});

test("every state without a chart has a notice", () => {
  const now = { state: "live", problem: null, hasKey: true, isEmpty: false, isKnown: true };
  assert.equal(chartNotice(now), null);
  assert.equal(chartNotice({ ...now, state: "offline" }), null);
  for (const change of [{ state: "denied" }, { state: "missing" }, { state: "refused", problem: { title: "T", detail: "D" } }, { isEmpty: true }, { state: "connecting", isKnown: false }, { state: "offline", isKnown: false }]) {
    assert.ok(chartNotice({ ...now, ...change })?.title, JSON.stringify(change));
  }
});
