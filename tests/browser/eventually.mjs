// @ts-check

import { setTimeout as pause } from "node:timers/promises";

/** Twice the page's refresh interval: what only the next refresh shows is seen in time. */
const DEADLINE_MS = 20_000;
const INTERVAL_MS = 50;

/**
 * Runs an assertion until it holds; at the deadline its last failure is the test's.
 * @template T
 * @param {() => Promise<T> | T} assertion
 * @returns {Promise<T>}
 */
export async function eventually(assertion) {
  const end_ms = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > end_ms) throw error;
    }
    await pause(INTERVAL_MS);
  }
}
