// @ts-check
/**
 * The page's state as its address: `?stream=ID&by=country&agg=sum&from=-1h#key=rk_...`.
 * The read key is only ever in the fragment, which browsers do not send. Pure: never touches `location`.
 */

export const RANGES = /** @type {const} */ (["-15m", "-1h", "-6h", "-24h", "-7d"]);
export const AGGREGATES = /** @type {const} */ (["sum", "ratio", "rate", "count", "min", "max"]);

/** The step of each range, so that the chart's does not change between two refreshes. @type {Record<Range, string>} */
export const STEPS = { "-15m": "10s", "-1h": "10s", "-6h": "1m", "-24h": "5m", "-7d": "30m" };

/** @typedef {typeof RANGES[number]} Range how far back the chart reaches, as the API's `from` */
/** @typedef {typeof AGGREGATES[number]} Aggregate */

/**
 * @typedef {object} Address
 * @property {string} stream the stream's id; empty while none is open
 * @property {string} key the read key; empty for a public stream
 * @property {string} by the label to group by; empty for one line
 * @property {Aggregate} agg
 * @property {Range} from
 */

/** What an absent or unknown parameter stands for. @type {Readonly<Address>} */
export const START = Object.freeze({ stream: "", key: "", by: "", agg: "sum", from: "-1h" });

/**
 * Reads an address; what it does not know becomes the default.
 * @param {string} search `location.search`
 * @param {string} hash `location.hash`
 * @returns {Address}
 */
export function parseAddress(search, hash) {
  const query = new URLSearchParams(search);
  const fragment = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    stream: query.get("stream") ?? START.stream,
    key: fragment.get("key") ?? START.key,
    by: query.get("by") ?? START.by,
    agg: oneOf(AGGREGATES, query.get("agg")) ?? START.agg,
    from: oneOf(RANGES, query.get("from")) ?? START.from,
  };
}

/**
 * Writes an address as a link relative to the page, leaving out what is the default.
 * @param {Address} address
 * @returns {string} for example `?stream=ID&by=country#key=rk_...`
 */
export function formatAddress(address) {
  const query = new URLSearchParams();
  for (const name of /** @type {const} */ (["stream", "by", "agg", "from"])) {
    if (address[name] !== START[name]) query.set(name, address[name]);
  }
  const search = query.size ? `?${query}` : "";
  const fragment = address.key ? `#${new URLSearchParams({ key: address.key })}` : "";
  return search + fragment;
}

/**
 * @template {string} T
 * @param {readonly T[]} known
 * @param {string | null} value
 * @returns {T | undefined}
 */
function oneOf(known, value) {
  return known.find((one) => one === value);
}
