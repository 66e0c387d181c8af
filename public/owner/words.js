// @ts-check
/** The answer to `status` in words. Pure: it never reads the clock. */

/**
 * @typedef {object} ForwardStatus
 * @property {string} state
 * @property {string} dialect
 * @property {string} api_root
 * @property {string | null} channel
 * @property {{ points: number, messages: number }} delivered
 * @property {{ points: number, messages: number }} pending
 * @property {{ points: number, into: number }} coarsened
 * @property {{ points: number, recent: { point: object, reason: string, at: number }[] }} set_aside
 * @property {{ message: string, at: number } | null} last_error
 * @property {number | null} next_try
 */

/**
 * @typedef {object} CarbonStatus
 * @property {string} state
 * @property {string} host
 * @property {number} port
 * @property {number} interval_s
 * @property {number} sent_until
 * @property {number | null} pending_since
 * @property {number} lines
 * @property {number} corrected
 * @property {number} skipped
 * @property {{ message: string, at: number } | null} last_error
 * @property {number | null} next_try
 */

/**
 * A limit that the stream approaches, and what to do about it.
 * @typedef {{ name: string, used: number, limit: number, advice: string }} Bound
 */

/**
 * @typedef {object} Status
 * @property {string} name
 * @property {number} accepted
 * @property {Record<string, number>} rejected
 * @property {{ points: number }} overflow
 * @property {number} series
 * @property {number} shards
 * @property {number} storage_bytes
 * @property {{ rows: number, bytes: number }} log
 * @property {number} open_cells
 * @property {number} memory_bytes
 * @property {number | null} last_write
 * @property {ForwardStatus | null} forward
 * @property {CarbonStatus | null} carbon
 * @property {Bound[]} [bounds] the limits that are at least 70 % used
 */

/** @type {Record<string, string>} */
const REASONS = {
  syntax: "not JSON, or not an object",
  unknown_field: "a field that points don't have",
  n: "n is missing or not a finite number",
  d: "d is below 0 or not a number",
  p: "p is not above 0, or is more than a day",
  v: "too many labels, or one that is too long or not a string",
  t: "t is too old, or ahead of the clock",
  rule: "a rule of the stream's owner",
};

/** @typedef {{ kind: "none" | "good" | "busy" | "bad", text: string, more: string }} Word */

/** @type {Record<string, Word>} */
const FORWARD = {
  starting: { kind: "busy", text: "Starting", more: "The upstream is asked whether the token may write to the channel." },
  forwarding: { kind: "good", text: "Forwarding", more: "Points go on as they come." },
  waiting: { kind: "busy", text: "Waiting", more: "The upstream asks for a pause, or does not answer. Points are kept and sent later." },
  paused: { kind: "bad", text: "Paused", more: "You need to act: change the configuration, or try again when the cause is gone. Points are kept meanwhile." },
};

/** @type {Record<string, Word>} */
const CARBON = {
  sending: { kind: "good", text: "Sending", more: "Each step goes out 15 seconds after its end." },
  waiting: { kind: "busy", text: "Waiting", more: "Carbon did not accept the last lines. All of them are sent later." },
};

/** What `status` calls a bound, in words, and whether it is of bytes. @type {Record<string, [string, boolean]>} */
const BOUNDS = {
  series: ["Series", false],
  names: ["Names of labels", false],
  series_text_bytes: ["Text of labels", true],
  keys_held: ["Keys of batches that are remembered", false],
  storage_bytes: ["Storage", true],
  parts: ["Parts that wait to be merged", false],
  log_bytes: ["Log, not sealed yet", true],
};

/** @param {Bound} bound @returns {{ title: string, used: string, percent: number }} */
export function boundWords({ name, used, limit }) {
  const [title, isBytes] = BOUNDS[name] ?? [name, name.endsWith("_bytes")];
  const say = isBytes ? bytes : number;
  return { title, used: `${say(used)} of ${say(limit)}`, percent: Math.round((100 * used) / limit) };
}

/** @param {string} reason @returns {string} */
export function reasonWords(reason) {
  return REASONS[reason] ?? reason;
}

/** @param {ForwardStatus | null} forward @returns {Word} */
export function forwardWords(forward) {
  if (!forward) return { kind: "none", text: "Not forwarded", more: "" };
  const word = FORWARD[forward.state] ?? { kind: "busy", text: forward.state, more: "" };
  return word.kind === "good" && forward.set_aside.points > 0 ? { ...word, kind: "busy", text: "Forwarding, some set aside" } : word;
}

/** @param {CarbonStatus} carbon @returns {Word} */
export function carbonWords({ state }) {
  return CARBON[state] ?? { kind: "busy", text: state, more: "" };
}

/**
 * @param {number | null} then_s Unix seconds
 * @param {number} now_s
 */
export function ago(then_s, now_s) {
  if (then_s === null) return "never";
  const past_s = now_s - then_s;
  return past_s < 5 ? "just now" : `${span(past_s)} ago`;
}

/** @param {number} then_s @param {number} now_s */
export function until(then_s, now_s) {
  return then_s <= now_s ? "now" : `in ${span(then_s - now_s)}`;
}

/** @param {number} seconds */
function span(seconds) {
  const units = /** @type {const} */ ([[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]]);
  const [width_s, unit] = units.find(([width_s]) => seconds >= width_s) ?? [1, "s"];
  return `${Math.max(1, Math.floor(seconds / width_s))} ${unit}`;
}

/** @param {number} count */
export function number(count) {
  return new Intl.NumberFormat("en").format(count);
}

/** @param {number} count */
export function short(count) {
  return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(count);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** @param {number} count */
export function bytes(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(count, 1)) / 10), 0), units.length - 1);
  const size = count / 1024 ** power;
  return `${new Intl.NumberFormat("en", { maximumFractionDigits: size < 10 && power ? 1 : 0 }).format(size)} ${units[power]}`;
}

/** The last minute of a pace. @param {number[]} counts points per minute, oldest first */
export function paceNumber(counts) {
  return number(counts.at(-1) ?? 0);
}
