// @ts-check
/** The owner's part of the API, as functions. Each takes the token, and sends it only in the Authorization header. */

import { bearer, pathOf, requestJson } from "../reader/api.js";

/** @import { Config } from "./config.js" */
/** @import { Status } from "./words.js" */

/** @typedef {{ id: string, name: string, created: number }} Listed */
/** @typedef {Config & { id: string, name: string, created: number, links: Record<string, string> }} Stream */
/** @typedef {Stream & { read_key: string }} CreatedStream */

/** A page of the list: the most that the API returns. */
const PAGE = 1000;

/**
 * @param {string} token
 * @param {string | null} cursor of the page before; null for the first page
 * @returns {Promise<{ streams: Listed[], cursor: string | null }>}
 */
export function listStreams(token, cursor) {
  const query = new URLSearchParams({ limit: String(PAGE), ...(cursor && { cursor }) });
  return requestJson(`/v1/streams?${query}`, { headers: bearer(token) });
}

/** @param {string} token @param {object} config @returns {Promise<CreatedStream>} */
export function createStream(token, config) {
  return requestJson("/v1/streams", { method: "POST", ...json(token, config) });
}

/** @param {string} token @param {string} id @returns {Promise<Stream>} */
export function readStream(token, id) {
  return requestJson(pathOf(id), { headers: bearer(token) });
}

/** @param {string} token @param {string} id @param {object} changes @returns {Promise<Stream>} */
export function changeStream(token, id, changes) {
  return requestJson(pathOf(id), { method: "PATCH", ...json(token, changes) });
}

/** @param {string} token @param {string} id @returns {Promise<null>} */
export function deleteStream(token, id) {
  return requestJson(pathOf(id), { method: "DELETE", headers: bearer(token) });
}

/** @param {string} token @param {string} id @returns {Promise<{ read_key: string }>} */
export function newReadKey(token, id) {
  return requestJson(`${pathOf(id)}/read-key`, { method: "POST", headers: bearer(token) });
}

/** @param {string} token @param {string} id @returns {Promise<object>} */
export function retryForward(token, id) {
  return requestJson(`${pathOf(id)}/forward/retry`, { method: "POST", headers: bearer(token) });
}

/** @param {string} token @param {string} id @returns {Promise<Status>} */
export function readStatus(token, id) {
  return requestJson(`${pathOf(id)}/status`, { headers: bearer(token) });
}

/**
 * Points per minute in the last hour, oldest first, without the minute under way.
 * @param {string} token
 * @param {string} id
 * @returns {Promise<number[]>}
 */
export async function readPace(token, id) {
  const rollup = await requestJson(`${pathOf(id)}/rollup?from=-1h&step=1m&agg=count`, { headers: bearer(token) });
  const counts = /** @type {(number | null)[]} */ (rollup.series[0]?.count ?? rollup.times.map(() => null));
  return counts.slice(0, -1).map((count) => count ?? 0);
}

/** @typedef {{ id: string, name: string, created: number, last_used: number | null }} WriteKey */

/** @param {string} token @param {string} id @returns {Promise<WriteKey[]>} */
export async function listWriteKeys(token, id) {
  return (await requestJson(`${pathOf(id)}/write-keys`, { headers: bearer(token) })).write_keys;
}

/**
 * @param {string} token
 * @param {string} id
 * @param {string} name
 * @returns {Promise<WriteKey & { write_key: string }>} the key is returned only now
 */
export function createWriteKey(token, id, name) {
  return requestJson(`${pathOf(id)}/write-keys`, { method: "POST", ...json(token, { name }) });
}

/** @param {string} token @param {string} id @param {string} key its id @returns {Promise<null>} */
export function endWriteKey(token, id, key) {
  return requestJson(`${pathOf(id)}/write-keys/${encodeURIComponent(key)}`, { method: "DELETE", headers: bearer(token) });
}

/**
 * What a writer has sent.
 * @typedef {{ points: number, new_series: number, rejected: number, cost: number, error?: number }} Tally
 */
/** @typedef {Tally & { network: string, country?: string, asn?: number }} NetworkTally */
/** @typedef {Tally & { origin: string }} OriginTally */
/** @typedef {Tally & { id: string, name: string }} KeyTally */
/**
 * @typedef {{ since: number, window: string, networks: NetworkTally[], origins: OriginTally[], keys: KeyTally[] }}
 *   Writers
 */

/** @param {string} token @param {string} id @param {"1h" | "1d"} window @returns {Promise<Writers>} */
export function readWriters(token, id, window) {
  return requestJson(`${pathOf(id)}/writers?${new URLSearchParams({ window })}`, { headers: bearer(token) });
}

/**
 * What a removal has removed so far.
 * @typedef {{ points: number, series: number, bytes: number, cursor?: string }} Removed
 */

/**
 * One step of a removal, or of a dry run, which counts what it would remove.
 * @param {string} token
 * @param {string} id
 * @param {URLSearchParams} what `where`, `from` and `to`
 * @param {{ isDry?: boolean, after?: string }} [how]
 * @returns {Promise<Removed>}
 */
export function removePoints(token, id, what, { isDry = false, after = "" } = {}) {
  const query = new URLSearchParams([...what, ...(isDry ? [["dry_run", "1"]] : []), ...(after ? [["after", after]] : [])]);
  return requestJson(`${pathOf(id)}/points?${query}`, { method: "DELETE", headers: bearer(token) });
}

/** @param {string} token @param {object} body @returns {RequestInit} */
function json(token, body) {
  return { headers: { "Content-Type": "application/json", ...bearer(token) }, body: JSON.stringify(body) };
}
