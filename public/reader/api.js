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
/** @typedef {{ from: number | string, to: number | string, step?: number, agg: string, by: string, where: readonly string[], top: number, hasTotals?: boolean }} Question Unix seconds, or as the API has times */
/** @typedef {Parameters<typeof import("../live/view.mjs").viewOf>[0]} Rollup */
/** @typedef {{ accepted: number, rejected: number, overflow?: number, errors?: Fault[] }} Receipt */

/** A stalled connection is given up after this long; the longest answer, a rollup of 7 days, takes well under 1 s. */
const TIMEOUT_MS = 15_000;

/** As many as somebody looks through. */
const MOST_VALUES = 50;

/**
 * Writes as a page of any other origin would: a simple request, no preflight, no credential.
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
 * The same as a file, in the API's own words.
 * @param {Access} access
 * @param {Question} question
 * @param {"json" | "csv"} format
 * @returns {Promise<Blob>}
 */
export function readFile(access, question, format) {
  return answer(`${rollupPath(access.stream, question)}&format=${format}`, { headers: bearer(access.key) }, (response) => response.blob());
}

/** Where a question is asked: the link to its exact JSON. @param {string} stream @param {Question} question */
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
 * @returns {Promise<{ value: string, series: number }[]>} those most used first
 */
export async function readValues({ stream, key }, label, prefix, signal) {
  const query = new URLSearchParams({ prefix, limit: String(MOST_VALUES) });
  return (await requestJson(`${pathOf(stream)}/labels/${encodeURIComponent(label)}?${query}`, { headers: bearer(key), signal })).values;
}

/** @param {Access} access @param {AbortSignal} [signal] @returns {Promise<string>} what its owner calls it */
export async function readName({ stream, key }, signal) {
  return (await requestJson(`${pathOf(stream)}/status`, { headers: bearer(key), signal })).name;
}

/**
 * For the functions of the contract: no other module asks the server.
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>} the JSON of a success; anything else is thrown as a Problem
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
 * What a header cannot carry is in no key either, so it may as well arrive as another wrong character.
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
