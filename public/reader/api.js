// @ts-check
/**
 * The HTTP contract as functions: the only module that calls `fetch`. Credentials travel in the Authorization
 * header, never in a URL, and cookies never at all.
 */

import { Problem, noAnswer, problemOf } from "../live/problem.mjs";

/** @import { Fault } from "../live/problem.mjs" */
/** @import { Point } from "./point.js" */
/** @import { View } from "../live/window.mjs" */

/** @typedef {{ id: string, name: string, read_key: string, links: Record<string, string> }} CreatedStream */
/** @typedef {{ name: string, values: number, series: number }} Label */
/** @typedef {{ accepted: number, rejected: number, errors?: Fault[] }} Receipt */

/** A stalled connection is given up after this long; the longest answer, a rollup of 7 days, takes well under 1 s. */
const TIMEOUT_MS = 15_000;

/**
 * @param {string} token the owner's
 * @param {string} name
 * @returns {Promise<CreatedStream>}
 */
export function createStream(token, name) {
  return request("/v1/streams", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...bearer(token) },
    body: JSON.stringify({ name }),
  });
}

/**
 * Writes as a page of any other origin would: a simple request, no preflight, no credential.
 * @param {string} stream
 * @param {Point} point
 * @returns {Promise<Receipt>}
 */
export function sendPoint(stream, point) {
  return request(`${pathOf(stream)}/points`, {
    method: "POST",
    headers: { "Content-Type": "text/plain;charset=UTF-8" },
    body: JSON.stringify(point),
  });
}

/**
 * @param {{ stream: string, key: string }} reader
 * @param {{ by: string, agg: string, from: string, step: string, top: number }} query
 * @param {AbortSignal} signal
 * @returns {Promise<Omit<View, "totals">>}
 */
export function readRollup({ stream, key }, { by, agg, from, step, top }, signal) {
  const query = new URLSearchParams({ from, step, agg, top: String(top), ...(by && { by }) });
  return request(`${pathOf(stream)}/rollup?${query}`, { headers: bearer(key), signal });
}

/**
 * @param {{ stream: string, key: string }} reader
 * @param {AbortSignal} signal
 * @returns {Promise<Label[]>}
 */
export async function readLabels({ stream, key }, signal) {
  return (await request(`${pathOf(stream)}/labels`, { headers: bearer(key), signal })).labels;
}

/**
 * For the functions of the contract: no other module asks the server.
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>} the JSON of a success; anything else is thrown as a Problem
 */
export async function request(path, init) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  try {
    const response = await fetch(path, { ...init, signal, credentials: "omit" });
    if (!response.ok) throw await problemOf(response);
    return response.status === 204 ? null : await response.json();
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
