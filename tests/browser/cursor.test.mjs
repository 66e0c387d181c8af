// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { stepAfter } from "../../public/chart/cursor.mjs";

test("the cursor starts at the newest step and stays within the chart", () => {
  assert.equal(stepAfter(null, "ArrowLeft", 60), 59);
  assert.equal(stepAfter(null, "ArrowRight", 60), 59);
  assert.equal(stepAfter(0, "ArrowLeft", 60), 0);
  assert.equal(stepAfter(59, "PageUp", 60), 59);
  assert.equal(stepAfter(30, "PageDown", 60), 20);
  assert.equal(stepAfter(30, "Home", 60), 0);
  assert.equal(stepAfter(30, "End", 60), 59);
});

test("Escape takes the cursor away, and other keys are not the cursor's", () => {
  assert.equal(stepAfter(30, "Escape", 60), null);
  assert.equal(stepAfter(30, "Tab", 60), undefined);
});
