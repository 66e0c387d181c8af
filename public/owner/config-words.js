// @ts-check
/** A stream's configuration in sentences: what its form says now, and what a change of it can't undo. Pure. */

import { isolated } from "../chart/format.mjs";
import { TIERS, lines } from "./config.js";

/** @import { Config, Typed } from "./config.js" */

/**
 * What a change does that no later change undoes, in sentences; empty where nothing.
 * @param {Config} before
 * @param {Record<string, any>} body of `bodyOf`
 * @returns {string[]}
 */
export function consequences(before, body) {
  const told = /** @type {string[]} */ ([]);
  for (const [tier, next] of Object.entries(body.retention ?? {})) {
    const was = before.retention[tier] ?? null;
    if (!(seconds(next) < seconds(was))) continue;
    const what = tier === "messages" ? "Messages" : `Steps of ${tier}`;
    told.push(`${what} are kept ${next} from now on; what is older is deleted within minutes.`);
  }
  if (body.shards > before.shards) told.push(`The stream gets ${body.shards} shards. It can never have fewer again.`);
  const uncounted = before.distinct.filter((name) => body.distinct && !body.distinct.includes(name));
  for (const name of uncounted) told.push(`The values of ${isolated(name)} are no longer only counted: each becomes a series, if writers still send them.`);
  if (body.forward === null) told.push("Forwarding ends, and what was on its way or set aside is dropped.");
  if (body.carbon === null) told.push("Pushing to the carbon ends, and what it did not get yet is not sent.");
  return told;
}

/**
 * What each group of the form says now, in a few words; of a new stream, what it will be.
 * @param {Typed} typed
 * @returns {Record<"access" | "rules" | "counted" | "kept" | "shards" | "forward" | "carbon", string>}
 */
export function summaries(typed) {
  const [origins, distinct] = [lines(typed.origins), lines(typed.distinct)];
  const sites = origins.length === 0 ? "every site writes" : origins.length === 1 ? `${isolated(origins[0])} writes` : `${origins.length} sites write`;
  const writers = typed.writers === "keyed" ? "who has a write key writes" : sites;
  const kept = TIERS.map((tier) => typed[`retention.${tier}`]);
  return {
    access: `${writers}, ${typed.public_read ? "everybody reads" : "who has the key reads"}`,
    rules: typed.accept ? "rules" : "no rules",
    counted: distinct.length ? distinct.map(isolated).join(", ") : "none",
    kept: kept.every((text) => text === "") ? "as usual" : TIERS.map((tier, i) => `${tier}: ${kept[i] || "as usual"}`).join(", "),
    shards: typed.shards || "1",
    forward: typed["forward.dialect"] ? isolated(typed["forward.api_root"]) : "nowhere",
    carbon: typed["carbon.host"] ? isolated(typed["carbon.host"]) : "none",
  };
}

/** @param {string | null} text @returns {number} NaN where it is no duration, so that it is never less */
function seconds(text) {
  if (text === null) return Infinity;
  const [, number, unit] = /^(\d+)(s|m|min|h|d|w)$/.exec(text) ?? [];
  return Number(number) * ({ s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 604_800 }[unit] ?? NaN);
}
