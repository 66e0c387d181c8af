// @ts-check
/**
 * The HTTP contract as functions: the only module that calls `fetch`. Credentials travel in the Authorization
 * header, never in a URL, and cookies never at all.
 */

import { Problem, noAnswer, problemOf } from "../live/problem.mjs";

/** @import { Fault } from "../live/problem.mjs" */
/** @import { Point } from "./point.js" */

/** @typedef {{ name: string, values: number, series: number }} Label */
/** @typedef {{ stream: string, key: string }} Access */
/**
 * @typedef {{ from: number | string, to: number | string, step?: number, agg: string, by: string, where: readonly
 *   string[], top: number, hasTotals?: boolean }} Question times are Unix seconds, or as the API writes them
 */
/** @typedef {Parameters<typeof import("../live/view.mjs").viewOf>[0]} Rollup */
/** @typedef {{ accepted: number, rejected: number, overflow?: number, errors?: Fault[] }} Receipt */

/** A stalled connection is given up after this; the longest answer, a rollup of 7 days, takes well under 1 s. */
const TIMEOUT_MS = 15_000;

/** The most values to offer: nobody looks through more. */
const MOST_VALUES = 50;

/**
 * Writes as a page of any other origin would: with a simple request, without preflight or credentials.
 * @param {string} stream
 * @param {Point} point
 * @returns {Promise<Receipt>}
 */
export function sendPoint(stream, point) {
  return requestJson(`${pathOf(stream)}/points`, {
    method: "POST",
    headers: { "Content-Type": "text/plain;charset=UTF-8" },
    body: JSON.stringify(point),
  });
}

/**
 * @param {Access} access
 * @param {Question} question
 * @param {AbortSignal} [signal]
 * @returns {Promise<Rollup>}
 */
export function readRollup(access, question, signal) {
  return requestJson(rollupPath(access.stream, question), { headers: bearer(access.key), signal });
}

/**
 * The same answer as a file, as the API makes it.
 * @param {Access} access
 * @param {Question} question
 * @param {"json" | "csv"} format
 * @returns {Promise<Blob>}
 */
export function readFile(access, question, format) {
  return answer(`${rollupPath(access.stream, question)}&format=${format}`, { headers: bearer(access.key) }, (response) => response.blob());
}

/** The path of a question: a link to its JSON. @param {string} stream @param {Question} question */
export function rollupPath(stream, { from, to, step, agg, by, where, top, hasTotals }) {
  const query = new URLSearchParams({ from: String(from), to: String(to), ...(step && { step: String(step) }), agg, top: String(top), ...(by && { by }), ...(hasTotals && { totals: "1" }) });
  for (const one of where) query.append("where", one);
  return `${pathOf(stream)}/rollup?${query}`;
}

/** @param {Access} access @param {AbortSignal} [signal] @returns {Promise<Label[]>} */
export async function readLabels({ stream, key }, signal) {
  return (await requestJson(`${pathOf(stream)}/labels`, { headers: bearer(key), signal })).labels;
}

/**
 * @param {Access} access
 * @param {string} label
 * @param {string} prefix
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ value: string, series: number }[]>} most used first
 */
export async function readValues({ stream, key }, label, prefix, signal) {
  const query = new URLSearchParams({ prefix, limit: String(MOST_VALUES) });
  return (await requestJson(`${pathOf(stream)}/labels/${encodeURIComponent(label)}?${query}`, { headers: bearer(key), signal })).values;
}

/** @param {Access} access @param {AbortSignal} [signal] @returns {Promise<string>} the name that its owner gave it */
export async function readName({ stream, key }, signal) {
  return (await requestJson(`${pathOf(stream)}/status`, { headers: bearer(key), signal })).name;
}

/**
 * For the functions of this contract and of owner/api.js; no other module asks the server.
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>} the JSON of a success; throws a Problem otherwise
 */
export async function requestJson(path, init) {
  return answer(path, init, (response) => (response.status === 204 ? null : response.json()));
}

/**
 * @template T
 * @param {string} path
 * @param {RequestInit} init
 * @param {(response: Response) => T | Promise<T>} read
 */
async function answer(path, init, read) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  try {
    const response = await fetch(path, { ...init, signal, credentials: "omit" });
    if (!response.ok) throw await problemOf(response);
    return await read(response);
  } catch (error) {
    throw error instanceof Problem ? error : noAnswer();
  }
}

/**
 * No key has characters that a header can't carry: a wrong one may arrive as another wrong one.
 * @param {string} secret
 * @returns {Record<string, string>}
 */
export function bearer(secret) {
  return secret ? { Authorization: `Bearer ${secret.replace(/[^!-~]/g, "?")}` } : {};
}

/** @param {string} stream */
export function pathOf(stream) {
  return `/v1/streams/${encodeURIComponent(stream)}`;
}
