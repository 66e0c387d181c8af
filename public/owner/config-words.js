// @ts-check
/** A stream's configuration in words: a summary of its form, and the consequences of a change. Pure. */

import { isolated } from "../chart/dom.mjs";
import { TIERS, lines } from "./config.js";

/** @import { Config, Typed } from "./config.js" */

/**
 * The consequences of a change that no later change can undo, in sentences; empty where there are none.
 * @param {Config} before
 * @param {Record<string, any>} body of `bodyOf`
 * @returns {string[]}
 */
export function consequences(before, body) {
  const sentences = /** @type {string[]} */ ([]);
  for (const [tier, next] of Object.entries(body.retention ?? {})) {
    const was = before.retention[tier] ?? null;
    if (!(seconds(next) < seconds(was))) continue;
    const what = tier === "messages" ? "Messages" : `Steps of ${tier}`;
    sentences.push(`${what} are kept for ${next} from now on; older ones are deleted within minutes.`);
  }
  if (body.shards > before.shards) sentences.push(`The stream gets ${body.shards} shards. It can never have fewer again.`);
  const uncounted = before.distinct.filter((name) => body.distinct && !body.distinct.includes(name));
  for (const name of uncounted) sentences.push(`The values of ${isolated(name)} are no longer only counted: each becomes a series, if writers still send it.`);
  if (body.forward === null) sentences.push("Forwarding ends, and points that wait or are set aside are dropped.");
  if (body.carbon === null) sentences.push("Pushing to carbon ends, and lines that wait are dropped.");
  return sentences;
}

/**
 * A summary of each group of the form, in a few words.
 * @param {Typed} typed
 * @returns {Record<"access" | "rules" | "counted" | "kept" | "shards" | "forward" | "carbon", string>}
 */
export function summaries(typed) {
  const [origins, distinct] = [lines(typed.origins), lines(typed.distinct)];
  const sites = origins.length === 0 ? "every site can write" : origins.length === 1 ? `${isolated(origins[0])} can write` : `${origins.length} sites can write`;
  const writers = typed.writers === "keyed" ? "holders of a write key can write" : sites;
  const kept = TIERS.map((tier) => typed[`retention.${tier}`]);
  return {
    access: `${writers}, ${typed.public_read ? "anyone can read" : "holders of the key can read"}`,
    rules: typed.accept ? "rules" : "no rules",
    counted: distinct.length ? distinct.map(isolated).join(", ") : "none",
    kept: kept.every((text) => text === "") ? "the defaults" : TIERS.map((tier, i) => `${tier}: ${kept[i] || "default"}`).join(", "),
    shards: typed.shards || "1",
    forward: typed["forward.dialect"] ? isolated(typed["forward.api_root"]) : "nowhere",
    carbon: typed["carbon.host"] ? isolated(typed["carbon.host"]) : "none",
  };
}

/** @param {string | null} text @returns {number} NaN where it is not a duration: it compares as not less */
function seconds(text) {
  if (text === null) return Infinity;
  const [, number, unit] = /^(\d+)(s|m|min|h|d|w)$/.exec(text) ?? [];
  return Number(number) * ({ s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 604_800 }[unit] ?? NaN);
}
