// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { START } from "../../public/reader/address.js";
import { Problem } from "../../public/live/problem.mjs";
import { noticeOf } from "../../public/reader/notice.js";
import { createSession } from "../../public/reader/session.js";

const OPEN = { ...START, stream: "id", key: "rk_1" };
const LABELS = [{ name: "country", values: 1, series: 1 }];

/** @param {number | null} value */
function rollup(value) {
  return { from: 0, to: 60, step: 60, agg: ["sum"], times: [0], series: [{ labels: {}, sum: [value] }] };
}

/** A session over an API that answers as told, in turn, and counts its calls. @param {(() => any)[]} answers */
function desk(...answers) {
  const calls = { rollups: 0, labels: 0 };
  const api = {
    readRollup: async () => answers[Math.min(calls.rollups++, answers.length - 1)](),
    readLabels: async () => (calls.labels++, LABELS),
  };
  const session = createSession({ api, now_s: () => 1000, onchange: () => {} });
  return { session, calls };
}

/** @param {number} status @param {number} [retryAfter_s] */
function failing(status, retryAfter_s) {
  return () => { throw new Problem({ status, title: `T${status}`, detail: "D", retryAfter_s }); };
}

test("what came is shown with the time of its coming", async () => {
  const { session } = desk(() => rollup(5));
  session.open(OPEN);
  assert.equal(noticeOf(session.view).kind, "loading");
  assert.deepEqual(await session.load(), { kind: "done" });
  const { chart, labels, updated_s, isLoading } = session.view;
  assert.deepEqual([chart?.totals[0].sum, labels, updated_s, isLoading], [5, LABELS, 1000, false]);
  assert.equal(noticeOf(session.view).kind, "none");
});

test("labels are asked for until there are points, and then only when expected", async () => {
  const { session, calls } = desk(() => rollup(null), () => rollup(1));
  session.open(OPEN);
  await session.load();
  assert.equal(noticeOf(session.view).kind, "empty");
  await session.load();
  await session.load();
  assert.equal(calls.labels, 2);
  session.expectLabels();
  await session.load();
  assert.equal(calls.labels, 3);
});

test("an answer that comes after the address changed is not shown", async () => {
  const late = Promise.withResolvers();
  const { session } = desk(() => late.promise, () => rollup(2));
  session.open(OPEN);
  const first = session.load();
  session.open({ ...OPEN, from: "-7d" });
  await session.load();
  late.resolve(rollup(1));
  assert.deepEqual(await first, { kind: "stop" });
  assert.equal(session.view.chart?.totals[0].sum, 2);
});

test("a failure that may pass keeps the chart and asks for another try", async () => {
  for (const status of [0, 429, 503]) {
    const { session } = desk(() => rollup(5), failing(status, 7));
    session.open(OPEN);
    await session.load();
    assert.deepEqual(await session.load(), { kind: "retry", after_s: 7 });
    assert.equal(session.view.chart?.totals[0].sum, 5);
    assert.deepEqual([noticeOf(session.view).title, noticeOf(session.view).detail], [`T${status}`, "D"]);
  }
});

test("a refusal takes the chart away and is not repeated", async () => {
  for (const [status, kind] of /** @type {const} */ ([[400, "failed"], [401, "denied"], [403, "failed"], [404, "missing"], [501, "failed"]])) {
    const { session } = desk(() => rollup(5), failing(status));
    session.open(OPEN);
    await session.load();
    assert.deepEqual(await session.load(), { kind: "stop" });
    assert.equal(session.view.chart, null);
    assert.equal(noticeOf(session.view).kind, kind);
    assert.notEqual(noticeOf(session.view).advice, undefined);
  }
});

test("nothing of one stream is shown at another", async () => {
  const { session } = desk(() => rollup(5));
  session.open(OPEN);
  await session.load();
  session.open({ ...OPEN, stream: "other" });
  assert.deepEqual([session.view.chart, session.view.labels], [null, []]);
});
