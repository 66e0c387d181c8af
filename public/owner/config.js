// @ts-check
/**
 * Translates a stream's configuration between the form, where everything is text, and the API. A field has its name in
 * the API, with dots: `retention.10s`, `forward.policy.max_delay`. The server decides what is valid; this refuses only
 * what JSON can't carry. Pure.
 */

/**
 * @typedef {{ dialect: string, api_root: string, channel: string | null, policy: { max_delay: string,
 *   writes_per_minute: number } }} Forward
 */

/** @typedef {{ host: string, port: number, prefix: string, interval_s: number, aggregates: string[] }} Carbon */

/** @typedef {{ networks: string[], origins: string[] }} Blocked */

/**
 * @typedef {object} Config
 * @property {string} name
 * @property {boolean} public_read
 * @property {string[]} origins
 * @property {string[]} distinct
 * @property {Record<string, string | null>} retention
 * @property {string} lateness
 * @property {number} shards
 * @property {Forward | null} forward
 * @property {Carbon | null} carbon
 * @property {"open" | "keyed"} writers
 * @property {Record<string, any> | null} accept
 * @property {Blocked} blocked
 * @property {Record<string, number>} limits
 */

/** @typedef {Record<string, string>} Typed the texts of the fields, by name; a checkbox is "on" or empty */
/** @typedef {{ body: Record<string, any> } | { fault: import("./fault.js").FieldFault }} Attempt */

export const TIERS = /** @type {const} */ (["10s", "1m", "10m", "1h", "1d"]);
const KEPT = [...TIERS, "messages"];
const FOR_EVER = "for ever";
const NEVER_ENDS = /^(for ?ever|always|null|∞)$/i;
const POLICY = /** @type {const} */ (["max_delay", "writes_per_minute"]);
const CARBON = ["host", "port", "prefix", "interval_s", "aggregates"].map((name) => `carbon.${name}`);

/** Every field of the form. */
export const FIELDS = [
  "name", "writers", "public_read", "origins", "accept", "limits", "distinct", ...KEPT.map((tier) => `retention.${tier}`), "lateness", "shards",
  "forward.dialect", "forward.api_root", "forward.channel", "forward.token", ...POLICY.map((name) => `forward.policy.${name}`), ...CARBON,
];

/** The stream of the demo page: anyone can read it, and client ids are only counted. @type {Typed} */
export const DEMO = Object.freeze({ ...empty(), name: "demo", public_read: "on", distinct: "client_id" });

/** A form with nothing in it. @returns {Typed} */
export function empty() {
  return Object.fromEntries(FIELDS.map((name) => [name, ""]));
}

/** @param {Config} config @returns {Typed} */
export function typedOf({ name, writers, public_read, origins, accept, limits, distinct, retention, lateness, shards, forward, carbon }) {
  const kept = KEPT.map((tier) => [`retention.${tier}`, retention[tier] === null ? FOR_EVER : retention[tier] ?? ""]);
  return {
    ...empty(),
    name,
    writers: writers === "keyed" ? "keyed" : "",
    accept: accept ? JSON.stringify(accept, null, 2) : "",
    limits: limits ? JSON.stringify(limits, null, 2) : "",
    public_read: public_read ? "on" : "",
    origins: origins.join("\n"),
    distinct: distinct.join("\n"),
    ...Object.fromEntries(kept),
    lateness,
    shards: String(shards),
    ...(forward && {
      "forward.dialect": forward.dialect,
      "forward.api_root": forward.api_root,
      "forward.channel": forward.channel ?? "",
      "forward.policy.max_delay": forward.policy.max_delay,
      "forward.policy.writes_per_minute": String(forward.policy.writes_per_minute),
    }),
    ...(carbon && {
      "carbon.host": carbon.host,
      "carbon.port": String(carbon.port),
      "carbon.prefix": carbon.prefix,
      "carbon.interval_s": String(carbon.interval_s),
      "carbon.aggregates": carbon.aggregates.join(", "),
    }),
  };
}

/**
 * The body to send: everything typed for a new stream, and only what was changed for an existing one.
 * @param {Typed} typed
 * @param {Config} [before]
 * @returns {Attempt}
 */
export function bodyOf(typed, before) {
  const was = before ? typedOf(before) : empty();
  const isNew = (/** @type {string} */ name) => typed[name] !== was[name];
  const body = /** @type {Record<string, any>} */ ({});

  if (isNew("name") || !before) body.name = typed.name;
  if (isNew("writers")) body.writers = typed.writers || "open";
  for (const name of ["accept", "limits"].filter(isNew)) {
    const read = parsed(name, typed[name]);
    if ("fault" in read) return read;
    body[name] = name === "limits" ? withDefaults(read.value, before?.limits) : read.value;
  }
  if (isNew("public_read")) body.public_read = typed.public_read === "on";
  for (const name of ["origins", "distinct"]) if (isNew(name)) body[name] = lines(typed[name]);

  const kept = KEPT.filter((tier) => isNew(`retention.${tier}`) && typed[`retention.${tier}`] !== "");
  if (kept.length) body.retention = Object.fromEntries(kept.map((tier) => [tier, duration(typed[`retention.${tier}`])]));
  if (isNew("lateness") && typed.lateness) body.lateness = typed.lateness;

  if (isNew("shards") && typed.shards) {
    if (!/^\d{1,9}$/.test(typed.shards)) return { fault: { field: "shards", message: "Shards are a whole number from 1 to 64." } };
    body.shards = Number(typed.shards);
  }
  const forward = FIELDS.filter((name) => name.startsWith("forward."));
  if (typed["forward.dialect"] === "") {
    if (before?.forward) body.forward = null;
  } else if (forward.some(isNew)) {
    body.forward = forwardOf(typed);
  }
  if (typed["carbon.host"] === "") {
    if (before?.carbon) body.carbon = null;
  } else if (CARBON.some(isNew)) {
    body.carbon = carbonOf(typed);
  }
  return { body };
}

/**
 * The JSON in a field; null where the field is empty.
 * @param {string} field
 * @param {string} text
 * @returns {{ value: any } | { fault: import("./fault.js").FieldFault }}
 */
function parsed(field, text) {
  try {
    return { value: text === "" ? null : JSON.parse(text) };
  } catch (error) {
    return { fault: { field, message: `This is not JSON: ${/** @type {Error} */ (error).message}` } };
  }
}

/**
 * Limits that somebody has removed from the JSON return to their defaults: null, for the API.
 * @param {any} limits
 * @param {Record<string, number>} [before]
 */
function withDefaults(limits, before = {}) {
  const defaults = Object.fromEntries(Object.keys(before).map((name) => [name, null]));
  return limits === null || (typeof limits === "object" && !Array.isArray(limits)) ? { ...defaults, ...limits } : limits;
}

/** @param {Typed} typed */
function forwardOf(typed) {
  const given = (/** @type {string} */ name) => typed[`forward.${name}`] || undefined;
  return {
    dialect: given("dialect"),
    api_root: given("api_root"),
    channel: given("channel"),
    token: given("token"),
    policy: { max_delay: given("policy.max_delay"), writes_per_minute: whole(given("policy.writes_per_minute")) },
  };
}

/** @param {Typed} typed */
function carbonOf(typed) {
  const given = (/** @type {string} */ name) => typed[`carbon.${name}`] || undefined;
  return {
    host: given("host"),
    port: whole(given("port")),
    prefix: given("prefix"),
    interval_s: whole(given("interval_s")),
    aggregates: given("aggregates")?.split(/[\s,]+/).filter(Boolean),
  };
}

/** A whole number; any other text stays as it is, for the server to name the field. @param {string | undefined} text */
function whole(text) {
  return text && /^\d{1,9}$/.test(text) ? Number(text) : text;
}

/** The lines of a text that are not empty. @param {string} text */
export function lines(text) {
  return text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
}

/** @param {string} text */
function duration(text) {
  return NEVER_ENDS.test(text) ? null : text;
}
