// @ts-check

import { setTimeout as pause } from "node:timers/promises";

/**
 * The page's longest pause between two tries and more, on a slow machine: it costs nothing where the assertion holds.
 */
export const DEADLINE_MS = 120_000;
const INTERVAL_MS = 50;

/**
 * Runs an assertion until it holds; after the deadline it throws the last failure.
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
