// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { stepAfter } from "../../public/chart/cursor.mjs";

test("the cursor starts at the newest step and stays in the chart", () => {
  assert.equal(stepAfter(null, "ArrowLeft", 60), 59);
  assert.equal(stepAfter(null, "ArrowRight", 60), 59);
  assert.equal(stepAfter(0, "ArrowLeft", 60), 0);
  assert.equal(stepAfter(59, "PageUp", 60), 59);
  assert.equal(stepAfter(30, "PageDown", 60), 20);
  assert.equal(stepAfter(30, "Home", 60), 0);
  assert.equal(stepAfter(30, "End", 60), 59);
});

test("Escape removes the cursor; other keys do nothing to it", () => {
  assert.equal(stepAfter(30, "Escape", 60), null);
  assert.equal(stepAfter(30, "Tab", 60), undefined);
});
