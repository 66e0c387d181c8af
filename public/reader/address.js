// @ts-check
/**
 * The page's state as its address: `?stream=ID&by=country&agg=sum&from=-1h#key=rk_...`. The parameters of the first
 * chart are in the address itself, those of each further chart in a `chart=` that is a query of its own. The read key
 * is only in the fragment, which browsers do not send. Pure: never touches `location`.
 */

import { parseMatcher } from "./matcher.js";
import { rangeOf } from "./range.js";

/** @typedef {"line" | "area" | "bars" | "number"} Kind */

/**
 * @typedef {object} Spec the question and the look of one chart
 * @property {string} label its title; empty for a title made of the rest
 * @property {string} agg
 * @property {string} by labels separated by commas; empty for one line
 * @property {string[]} where
 * @property {Kind} kind
 * @property {number} top
 * @property {boolean} compare with the previous period
 */

/**
 * @typedef {object} Address
 * @property {string} stream the stream's id; empty while none is open
 * @property {string} key the read key; empty for a public stream
 * @property {string} from see range.js
 * @property {string} to
 * @property {"local" | "utc"} zone
 * @property {readonly Spec[]} charts at least one
 */

export const KINDS = /** @type {const} */ (["line", "area", "bars", "number"]);

/** The numbers of series that a chart offers to show. */
export const TOPS = /** @type {const} */ ([8, 20, 50, 100]);

/** More charts would not make a dashboard; the API refuses more filters. */
export const MOST_CHARTS = 24;
const MOST_FILTERS = 32;

/** The defaults, also for unknown values of a parameter. @type {Readonly<Spec>} */
export const CHART = Object.freeze({ label: "", agg: "sum", by: "", where: [], kind: "line", top: 20, compare: false });

/** @type {Readonly<Address>} */
export const START = Object.freeze({ stream: "", key: "", from: "-1h", to: "", zone: "local", charts: Object.freeze([CHART]) });

/**
 * Reads an address; unknown values become defaults.
 * @param {string} search `location.search`
 * @param {string} hash `location.hash`
 * @returns {Address}
 */
export function parseAddress(search, hash) {
  const query = new URLSearchParams(search);
  const key = new URLSearchParams(hash.replace(/^#/, "")).get("key") ?? "";
  const more = query.getAll("chart").slice(0, MOST_CHARTS - 1).map((text) => parseChart(new URLSearchParams(text)));
  return {
    stream: query.get("stream") ?? "",
    key,
    ...(rangeOf(query.get("from"), query.get("to")) ?? { from: START.from, to: START.to }),
    zone: query.get("zone") === "utc" ? "utc" : "local",
    charts: [parseChart(query), ...more],
  };
}

/**
 * Writes an address as a link relative to the page, without defaults.
 * @param {Address} address
 * @returns {string} for example `?stream=ID&by=country#key=rk_...`
 */
export function formatAddress({ stream, key, from, to, zone, charts: [first, ...more] }) {
  const query = new URLSearchParams();
  if (stream) query.set("stream", stream);
  if (from !== START.from) query.set("from", from);
  if (to) query.set("to", to);
  if (zone !== START.zone) query.set("zone", zone);
  for (const pair of chartPairs(first)) query.append(...pair);
  for (const spec of more) query.append("chart", String(new URLSearchParams(chartPairs(spec))));
  const search = query.size ? `?${query}` : "";
  return search + (key ? `#${new URLSearchParams({ key })}` : "");
}

/**
 * A chart from an address or a file; invalid values become defaults.
 * @param {Record<string, unknown>} written
 * @returns {Spec}
 */
export function specOf({ label, agg, by, where, kind, top, compare }) {
  const text = (/** @type {unknown} */ value, /** @type {string} */ other) => (typeof value === "string" && value.trim() ? value.trim() : other);
  return {
    label: text(label, CHART.label),
    agg: text(agg, CHART.agg),
    by: text(by, CHART.by).split(",").map((one) => one.trim()).filter(Boolean).join(","),
    where: (Array.isArray(where) ? where : []).filter((one) => typeof one === "string" && parseMatcher(one)).slice(0, MOST_FILTERS),
    kind: KINDS.find((one) => one === kind) ?? CHART.kind,
    top: TOPS.find((one) => one === Number(top)) ?? CHART.top,
    compare: compare === true,
  };
}

/** @param {URLSearchParams} query */
function parseChart(query) {
  return specOf({ ...Object.fromEntries(query), where: query.getAll("where"), compare: query.has("compare") });
}

/** @param {Spec} spec @returns {[string, string][]} */
export function chartPairs({ where, compare, ...spec }) {
  const pairs = /** @type {[string, string][]} */ (Object.entries(spec).filter(([name, value]) => value !== (/** @type {any} */ (CHART))[name]).map(([name, value]) => [name, String(value)]));
  return [...pairs, ...where.map((one) => /** @type {[string, string]} */ (["where", one])), ...(compare ? [/** @type {[string, string]} */ (["compare", ""])] : [])];
}
