// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { INTERVAL_MS, LONGEST_MS, createPoll, nextRun_ms } from "../../public/reader/poll.js";

/** @import { Outcome } from "../../public/reader/poll.js" */

/**
 * A page, a timer and a task that the test controls.
 * @param {Outcome[]} outcomes of the runs in turn, the last one for ever
 */
function desk(...outcomes) {
  const page = Object.assign(new EventTarget(), { visibilityState: /** @type {DocumentVisibilityState} */ ("visible") });
  const state = { runs: 0, timers: 0, timer: /** @type {{ run: () => void, delay_ms: number } | null} */ (null) };
  const task = async () => outcomes[Math.min(state.runs++, outcomes.length - 1)];
  const poll = createPoll(task, {
    page,
    setTimeout: (run, delay_ms) => (state.timers++, (state.timer = { run, delay_ms })),
    clearTimeout: (timer) => void (timer === state.timer && (state.timer = null)),
    random: () => 0.5,
  });
  /** @param {DocumentVisibilityState} visibility */
  async function turn(visibility) {
    page.visibilityState = visibility;
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
  }
  return { poll, state, turn };
}

const DONE = /** @type {const} */ ({ kind: "done" });
const RETRY = /** @type {const} */ ({ kind: "retry", after_s: 0 });
const settle = () => new Promise((done) => setImmediate(done));

test("a successful run is followed by the next after the interval", async () => {
  const { poll, state } = desk(DONE);
  await poll.now();
  assert.deepEqual([state.runs, state.timer?.delay_ms], [1, INTERVAL_MS]);
  state.timer?.run();
  await settle();
  assert.equal(state.runs, 2);
});

test("failures in a row wait longer, and success ends that", async () => {
  const { poll, state } = desk(RETRY, RETRY, DONE);
  const delays = [];
  for (let i = 0; i < 3; i++) {
    await poll.now();
    delays.push(state.timer?.delay_ms);
  }
  assert.deepEqual(delays, [2 * INTERVAL_MS, 4 * INTERVAL_MS, INTERVAL_MS]);
});

test("a run waits as long as the server asks", async () => {
  const { poll, state } = desk({ kind: "retry", after_s: 120 });
  await poll.now();
  assert.equal(state.timer?.delay_ms, 120_000);
});

test("nothing runs while the page is hidden", async () => {
  const { poll, state, turn } = desk(DONE);
  await poll.now();
  await turn("hidden");
  assert.deepEqual([state.runs, state.timer], [1, null]);
  await turn("visible");
  assert.equal(state.runs, 2);
  assert.notEqual(state.timer, null);
});

test("a run that ends while the page is hidden sets no timer", async () => {
  const { poll, state, turn } = desk(DONE);
  const run = poll.now();
  await turn("hidden");
  await run;
  assert.equal(state.timer, null);
});

test("after a stop only now() runs again", async () => {
  const { poll, state, turn } = desk({ kind: "stop" }, DONE);
  await poll.now();
  await turn("hidden");
  await turn("visible");
  assert.deepEqual([state.runs, state.timer], [1, null]);
  await poll.now();
  assert.deepEqual([state.runs, state.timer?.delay_ms], [2, INTERVAL_MS]);
});

test("a superseded run sets no timer", async () => {
  const { poll, state } = desk(RETRY, DONE);
  await Promise.all([poll.now(), poll.now()]);
  assert.deepEqual([state.runs, state.timers, state.timer?.delay_ms], [2, 1, INTERVAL_MS]);
});

test("the pause grows to its limit and is spread by a quarter", () => {
  assert.equal(nextRun_ms(0, 0.9), INTERVAL_MS);
  assert.equal(nextRun_ms(1, 0), 1.5 * INTERVAL_MS);
  assert.equal(nextRun_ms(1000, 0.5), LONGEST_MS);
});
