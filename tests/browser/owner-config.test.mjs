// @ts-check
/** The pure parts of the owner's page: configurations, refusals, words, addresses. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { formatPlace, parsePlace } from "../../public/owner/address.js";
import { DEMO, FIELDS, bodyOf, empty, typedOf } from "../../public/owner/config.js";
import { consequences } from "../../public/owner/config-words.js";
import { adviceOf, fieldFault } from "../../public/owner/fault.js";
import { createLanes } from "../../public/owner/lanes.js";
import { barsOf, paceWords } from "../../public/owner/sparkline.js";
import { createToken } from "../../public/owner/token.js";
import { ago, boundWords, bytes, forwardWords, reasonWords } from "../../public/owner/words.js";
import { Problem } from "../../public/live/problem.mjs";

/** @type {import("../../public/owner/config.js").Config} */
const CONFIG = {
  writers: "open", accept: null, blocked: { networks: [], origins: [] }, limits: { network_units_per_s: 500, new_names_per_hour: 64 },
  name: "visits",
  public_read: true,
  origins: ["https://a.example", "https://b.example"],
  distinct: ["client_id"],
  retention: { "10s": "2d", "1m": "14d", "10m": "60d", "1h": "730d", "1d": null, messages: "1d" },
  lateness: "1d",
  shards: 2,
  forward: { dialect: "pnut", api_root: "https://api.pnut.io/v1", channel: "12", policy: { max_delay: "1m", writes_per_minute: 20 } },
  carbon: { host: "carbon.example.com", port: 2003, prefix: "stats", interval_s: 60, aggregates: ["sum", "p95"] },
};

/** @param {string} detail @param {number} [status] */
function refusal(detail, status = 400) {
  return new Problem({ status, title: "The request is not valid", detail, type: "/problems#invalid-request" });
}

test("an unchanged configuration sends nothing", () => {
  assert.deepEqual(bodyOf(typedOf(CONFIG), CONFIG), { body: {} });
});

test("a change sends only changed fields", () => {
  const typed = { ...typedOf(CONFIG), name: "hits", public_read: "", origins: " https://c.example \n\n", "retention.1h": "for ever", "retention.10s": "36h", shards: "4" };
  const body = { name: "hits", public_read: false, origins: ["https://c.example"], retention: { "10s": "36h", "1h": null }, shards: 4 };
  assert.deepEqual(bodyOf(typed, CONFIG), { body });
});

test("a new stream needs only a name, and sends all typed fields", () => {
  assert.deepEqual(bodyOf({ ...empty(), name: "a" }), { body: { name: "a" } });
  assert.deepEqual(bodyOf(DEMO), { body: { name: "demo", public_read: true, distinct: ["client_id"] } });
  assert.deepEqual(bodyOf(empty()), { body: { name: "" } }, "it is for the server to say");
});

test("a change of forwarding sends it whole; null ends it", () => {
  const faster = { ...typedOf(CONFIG), "forward.policy.writes_per_minute": "10" };
  const forward = { dialect: "pnut", api_root: "https://api.pnut.io/v1", channel: "12", token: undefined, policy: { max_delay: "1m", writes_per_minute: 10 } };
  assert.deepEqual(bodyOf(faster, CONFIG), { body: { forward } });
  const typed = bodyOf({ ...typedOf(CONFIG), "forward.token": "new" }, CONFIG);
  assert.equal("body" in typed && typed.body.forward.token, "new");
  assert.deepEqual(bodyOf({ ...typedOf(CONFIG), "forward.dialect": "" }, CONFIG), { body: { forward: null } });
});

test("a change of carbon sends it whole; null ends it", () => {
  const carbon = { host: "carbon.example.com", port: 2003, prefix: "stats", interval_s: "fast", aggregates: ["count", "max"] };
  assert.deepEqual(bodyOf({ ...typedOf(CONFIG), "carbon.interval_s": "fast", "carbon.aggregates": "count,  max," }, CONFIG), { body: { carbon } });
  assert.deepEqual(bodyOf({ ...typedOf(CONFIG), "carbon.host": "" }, CONFIG), { body: { carbon: null } });
});

test("writers, rules and budgets are sent as typed", () => {
  const rules = { labels: { plan: {} }, others: "reject" };
  const typed = { ...typedOf(CONFIG), writers: "keyed", accept: JSON.stringify(rules), limits: '{"network_units_per_s":50}' };
  assert.deepEqual(bodyOf(typed, CONFIG), { body: { writers: "keyed", accept: rules, limits: { network_units_per_s: 50, new_names_per_hour: null } } });
  const before = { ...CONFIG, writers: /** @type {const} */ ("keyed"), accept: rules };
  assert.deepEqual(bodyOf(typedOf(before), before), { body: {} });
  const none = { ...typedOf(before), writers: "", accept: "", limits: "" };
  assert.deepEqual(bodyOf(none, before), { body: { writers: "open", accept: null, limits: { network_units_per_s: null, new_names_per_hour: null } } });
  assert.deepEqual(bodyOf({ ...empty(), name: "a", writers: "keyed", accept: "{}" }), { body: { name: "a", writers: "keyed", accept: {} } });
  assert.deepEqual(bodyOf({ ...typedOf(CONFIG), limits: "[1]" }, CONFIG), { body: { limits: [1] } }, "it is for the server to say");
  for (const field of ["accept", "limits"]) {
    const attempt = bodyOf({ ...typedOf(CONFIG), [field]: "{" }, CONFIG);
    assert.equal("fault" in attempt && attempt.fault.field, field);
  }
});

test("a mistake in rules or budgets is shown with its place", () => {
  assert.deepEqual(fieldFault(refusal("`accept.labels.path.pattern` must be a pattern")), { field: "accept", message: "Labels.path.pattern must be a pattern." });
  assert.deepEqual(fieldFault(refusal("`limits.new_names_per_hour` must be a whole number from 0 to 1000, not -1")), { field: "limits", message: "New_names_per_hour must be a whole number from 0 to 1000, not -1." });
  assert.equal(fieldFault(refusal('"x" in `blocked.networks` is no network')), null, "those have a place of their own");
});

test("a bound has its unit, even an unknown bound", () => {
  assert.deepEqual(boundWords({ name: "series", used: 95_000, limit: 100_000, advice: "" }), { title: "Series", used: "95,000 of 100,000", percent: 95 });
  assert.deepEqual(boundWords({ name: "log_bytes", used: 8 * 1024 ** 2, limit: 10 * 1024 ** 2, advice: "" }), { title: "Log, not sealed yet", used: "8 MiB of 10 MiB", percent: 80 });
  assert.deepEqual(boundWords({ name: "new_bytes", used: 1024, limit: 1024, advice: "" }), { title: "new_bytes", used: "1 KiB of 1 KiB", percent: 100 });
});

test("text that is not JSON is refused at its field", () => {
  for (const shards of ["two", "-1", "1.5"]) {
    const attempt = bodyOf({ ...empty(), name: "a", shards });
    assert.equal("fault" in attempt && attempt.fault.field, "shards");
  }
});

test("only changes that can't be undone have consequences to confirm", () => {
  /** @param {Record<string, any>} body */
  const count = (body) => consequences(CONFIG, body).length;
  assert.equal(count({ name: "a", public_read: false, origins: [], lateness: "2h" }), 0);
  assert.equal(count({ retention: { "10s": "3d", "1h": null } }), 0, "more is kept");
  assert.equal(count({ retention: { "10s": "47h" } }), 1);
  assert.equal(count({ retention: { "1d": "9000d" } }), 1, "for ever was longer");
  assert.equal(count({ retention: { "10s": "soon" } }), 0, "the server will refuse it");
  assert.equal(count({ shards: 3 }), 1);
  assert.equal(count({ shards: 1 }), 0, "the server will refuse it");
  assert.equal(count({ distinct: [] }), 1);
  assert.equal(count({ forward: null }), 1);
  assert.equal(count({ carbon: null }), 1);
});

test("every refusal of the server finds its field", async () => {
  const sources = [
    ...["stream", "forward", "forward/root", "carbon", "carbon/host"].map((name) => `crates/config/src/${name}.rs`),
    ...["shards", "retention"].map((name) => `crates/model/src/${name}.rs`),
    "crates/engine/src/engine/record.rs",
    "crates/engine/src/distinct.rs",
  ];
  const texts = await Promise.all(sources.map((path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8")));
  const refusals = texts.join("\n").matchAll(/(?:#\[error\(|let reason =)\s*"((?:[^"\\]|\\.)*`(?:[^"\\]|\\.)*)"/g);
  const about = Array.from(refusals, ([, text]) => text)
    .map((text) => text.replace("{name}", "10m").replace("{coarser}", "1h").replace("{finer}", "10m"))
    .map((text) => text.replaceAll("{0}", text.includes("a number and a unit") ? "lateness" : "forward"));
  assert.ok(about.length >= 25, `${about.length} refusals`);
  // Refusals of `blocked` appear where the page blocks.
  for (const text of about.filter((text) => !text.includes("`blocked"))) {
    const fault = fieldFault(refusal(text));
    assert.ok(fault && FIELDS.includes(fault.field), text);
    assert.ok(!fault.message.includes("`"), fault.message);
  }
});

test("a refusal appears at its first field, in whole sentences", () => {
  /** @param {string} detail */
  const told = (detail) => fieldFault(refusal(detail));
  assert.deepEqual(told("`name` must have 1 to 100 bytes"), { field: "name", message: "It must have 1 to 100 bytes." });
  assert.deepEqual(told("`retention`: `1m` must be kept at least as long as `10s`"), { field: "retention.1m", message: "It must be kept at least as long as 10s." });
  assert.equal(told("`1d` in `retention` must be at least a day longer than `lateness`")?.field, "retention.1d");
  assert.equal(told('"a,b" in `distinct` is not a valid label name')?.field, "distinct");
  assert.deepEqual(told("`forward.api_root`: `forward.api_root` must start with https://"), { field: "forward.api_root", message: "It must start with https://." });
  assert.equal(fieldFault(refusal("`shards` is 4 and can't be lowered to 3, only raised", 409))?.field, "shards");
  assert.equal(told("the body is not a valid configuration"), null);
  assert.equal(fieldFault(refusal("`name`", 503)), null);
});

test("a missing setting is shown with the command that adds it", () => {
  const advice = (/** @type {string} */ kind, /** @type {number} */ status) => adviceOf(new Problem({ status, title: "x", type: `https://h.example/problems#${kind}` }));
  assert.match(advice("creating-disabled", 403).command, /secret put OWNER_TOKEN/);
  assert.match(advice("not-configured", 503).command, /secret put SIGNING_KEY/);
  assert.match(advice("unauthorized", 401).title, /not the owner token/);
  assert.equal(advice("internal", 500).title, "x");
  assert.match(adviceOf(new Problem({ status: 0, title: "" })).advice, /connection/i);
});

test("the token stays in memory, and in storage only if chosen", () => {
  const kept = /** @type {Map<string, string>} */ (new Map());
  const storage = /** @type {Storage} */ (/** @type {unknown} */ ({
    getItem: (/** @type {string} */ name) => kept.get(name) ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => kept.set(name, value),
    removeItem: (/** @type {string} */ name) => kept.delete(name),
  }));
  const token = createToken(() => storage);
  token.set("a", false);
  assert.deepEqual([token.value, kept.size], ["a", 0]);
  token.set("b", true);
  assert.deepEqual([token.value, createToken(() => storage).value], ["b", "b"]);
  token.forget();
  assert.deepEqual([token.value, kept.size], ["", 0]);

  const none = createToken(() => { throw new Error("not allowed"); });
  none.set("c", true);
  assert.equal(none.value, "c");
});

test("addresses are read as they are written", () => {
  for (const place of /** @type {import("../../public/owner/address.js").Place[]} */ ([{ view: "list" }, { view: "create", preset: "" }, { view: "create", preset: "demo" }, { view: "stream", id: "a&b=c" }])) {
    assert.deepEqual(parsePlace(formatPlace(place)), place);
  }
  assert.deepEqual(parsePlace("?new=other"), { view: "create", preset: "" });
});

test("a lane runs tasks in turn, and can forget waiting ones", async () => {
  const lanes = createLanes(2);
  const begun = /** @type {number[]} */ ([]);
  const ends = /** @type {(() => void)[]} */ ([]);
  for (let i = 0; i < 5; i++) lanes.add(() => new Promise((end) => { begun.push(i); ends.push(end); }));
  assert.deepEqual(begun, [0, 1]);
  ends[0]();
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1, 2]);
  lanes.clear();
  ends[1]();
  ends[2]();
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1, 2]);
});

test("bars are as high as their values, and words match them", () => {
  assert.equal(barsOf([0, 0]), "");
  assert.equal(barsOf([1, 0, 2]).split("M").length - 1, 2);
  assert.match(barsOf([1, 2]), /^M0 36v-18h64.8v18zM90 36v-36/);
  assert.equal(paceWords([0, 0]), "no points in the last hour");
  assert.equal(paceWords([3, 1]), "1 point in the last minute, at most 3 in a minute of the last hour");
});

test("the status has numbers as people write them", () => {
  assert.deepEqual([null, 99, 40, 0].map((then) => ago(then, 100)), ["never", "just now", "1 min ago", "1 min ago"]);
  assert.equal(ago(100 - 3 * 86_400, 100), "3 d ago");
  assert.deepEqual([0, 1023, 1536, 40 * 1024, 3 * 2 ** 30].map(bytes), ["0 bytes", "1,023 bytes", "1.5 KiB", "40 KiB", "3 GiB"]);
  assert.equal(reasonWords("something new"), "something new");
  assert.equal(forwardWords(null).kind, "none");
  const forward = /** @type {any} */ ({ state: "forwarding", set_aside: { points: 0 } });
  assert.deepEqual([forwardWords(forward).kind, forwardWords({ ...forward, set_aside: { points: 1 } }).kind, forwardWords({ ...forward, state: "paused" }).kind], ["good", "busy", "bad"]);
});

test("every reason that status counts has its own text", async () => {
  const source = await readFile(new URL("../../docs/api.md", import.meta.url), "utf8");
  const [sentence = ""] = /Reasons are .*?\. /s.exec(source) ?? [];
  const names = Array.from(sentence.matchAll(/`([a-z_]+)`/g), ([, name]) => name).filter((name) => name !== "accept");
  assert.ok(["syntax", "unknown_field", "n", "d", "p", "v", "t", "rule"].every((name) => names.includes(name)), `${names}`);
  for (const reason of names) assert.notEqual(reasonWords(reason), reason);
});
