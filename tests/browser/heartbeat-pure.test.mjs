// @ts-check
/**
 * The pure parts of heartbeat.js: checking points, folding messages and reasons, understanding answers.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { isFinal, isRefusal, waitOf } from "../../clients/browser/src/answer.js";
import { faultOf } from "../../clients/browser/src/fault.js";
import { fold } from "../../clients/browser/src/fold.js";
import { json } from "../../clients/browser/src/json.js";
import { pointOf } from "../../clients/browser/src/point.js";

test("a number that the server would refuse is refused by field", () => {
  for (const bad of [NaN, Infinity, -Infinity, "5", null, 7n, new Date(), {}, [], true, Symbol("s")]) {
    for (const field of ["n", "d", "p", "t"]) assert.throws(() => pointOf({ n: 1, [field]: bad, v: {} }, 1, 0), { name: "TypeError", message: field });
  }
  for (const [field, bad] of [["d", -0.5], ["p", 0], ["p", -1], ["p", 86400.5]]) assert.throws(() => pointOf({ n: 1, [field]: bad, v: {} }, 1, 0), { message: field });
  assert.throws(() => pointOf({ v: {} }, 1, 0), { message: "n" });
  assert.throws(() => pointOf({ n: 1e308, v: {} }, 0.01, 0), { message: "n" }, "scaled up it is too large");
  assert.throws(() => pointOf({ n: 1, v: {} }, NaN, 0), { message: "n" });
  for (const v of ["text", 7, () => ({}), Symbol("s")]) assert.throws(() => pointOf({ n: 1, v }, 1, 0), TypeError);
});

test("every value within the server's limits is accepted", () => {
  const { v, ...numbers } = pointOf({ n: -1.5, d: 0, p: 86400, t: -1, v: {} }, 0.5, 9);
  assert.deepEqual([numbers, { ...v }], [{ n: -3, d: 0, p: 86400, t: -1, at_s: 9 }, {}]);
  assert.equal(pointOf({ n: 1, v: {} }, 1, 0).d, 1);
});

test("labels become clean strings, cut at whole characters", () => {
  const labels = (/** @type {any} */ v) => ({ ...pointOf({ n: 1, v }, 1, 0).v });
  assert.deepEqual(labels({ b: 7, a: true, c: 7n, s: Symbol("s"), n: null, u: undefined, e: "", "": "x", o: { deep: 1 }, l: [1], f() {} }), { a: "true", b: "7", c: "7", s: "Symbol(s)" });
  assert.deepEqual(labels({ "a\u0007\u0085b": "x\ny\ud800" }), { "a  b": "x y\ufffd" });
  assert.deepEqual(labels({ ["🙂".repeat(20)]: "é".repeat(129) }), { ["🙂".repeat(16)]: "é".repeat(128) });
  assert.deepEqual(Object.entries(labels(JSON.parse('{"__proto__":"x","constructor":"y"}'))), [["__proto__", "x"], ["constructor", "y"]]);
  const many = (/** @type {number} */ count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, i]));
  assert.equal(Object.keys(labels({ ...many(16), none: null })).length, 16);
  assert.throws(() => labels(many(17)), { message: "v" });
});

test("JSON equals JSON.stringify's, whatever a page has patched", (t) => {
  const value = [{ n: 1e21, d: -0, p: undefined, t: 5e-324, v: { 'quo"te': "back\\slash ü🙂" } }, { n: 1 / 3, is: true }, []];
  const expected = JSON.stringify(value);
  const { stringify } = JSON;
  t.after(() => {
    JSON.stringify = stringify;
    for (const one of [Array, Object, String, Number]) delete (/** @type {any} */ (one.prototype).toJSON);
  });
  for (const one of [Array, Object, String, Number]) Object.defineProperty(one.prototype, "toJSON", { value: () => "patched", configurable: true });
  JSON.stringify = () => "patched";
  assert.equal(json(value), expected);
});

test("folding replaces ids and numbers, and keeps an id's prefix", () => {
  for (const [text, expected] of [
    ["no customer cus_NffrFeUfNV2Hib", "no customer cus_0"],
    ["user_12 has left", "user_0 has left"],
    ["pi_3NabcDEFghiJKL012345 failed", "pi_0 failed"],
    ["token sess-aB3dE5fG7h is old", "token sess-0 is old"],
    ["sk_live_51HabcXYZabcXYZ", "sk_live_0"],
    ["no order 550e8400-e29b-41d4-a716-446655440000", "no order 0"],
    ["commit 5f3a9c00d1e2, mask 0xFF, 404, -5, 1.5", "commit 0, mask 0, 0, -0, 0.0"],
    ["01ARZ3NDEKTSV4RRFFQ69G5FAV and V1StGXR8_Z5jdHi6B-myT", "0 and 0"],
    ["eyJhbGciOiJIUzI1NiJ9 on 2026-11-30", "0 on 0"],
    ["mail to alice.b+c@example.co.uk was refused", "mail to 0 was refused"],
    ["GET https://a.example/users/alice/x?token=secret#part now", "GET https://a.example/users/0/x now"],
    ["ENOENT /home/alice/app.js and C:\\Users\\Bob\\app.js", "ENOENT /home/0/app.js and C:\\Users\\0\\app.js"],
    [`Unexpected token 'a', "{"name":"alice"... is not valid JSON`, "Unexpected token 'a', 0... is not valid JSON"],
    ['no user "Alice Smith" here', "no user 0 here"],
    ["Failed to fetch https://a.example/assets/index-BX3kd9aQ.js", "Failed to fetch https://a.example/assets/index-0.js"],
  ]) assert.equal(fold(text), expected);
});

test("random tokens after a short word are folded, whatever they hold", () => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  // The same ones each time.
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const token = (/** @type {number} */ length) => Array.from({ length }, () => letters[Math.floor(random() * 62)]).join("");
  const kept = Array.from({ length: 5000 }, () => `cus_${token(14)}`).filter((id) => fold(`no ${id}`) !== "no cus_0");
  assert.ok(kept.length <= 5, `${kept}`);
});

test("words stay readable, even with digits in them", () => {
  for (const words of [
    "addEventListener is not a function", "Uint8Array and Float32Array and BigInt64Array", "base64 sha256 utf8 latin1 H264 i18n a11y IPv4Address",
    "WebGL2RenderingContext.getElementsByTagNameNS XMLHttpRequest", "__webpack_require__ unstable_batchedUpdates OES_texture_float",
    "Cannot read properties of undefined (reading 'foo')", "can't read x, don't", "Cannot read private member #count from an object",
    "ResizeObserver loop completed with undelivered notifications.", "data-stream user-agent x-requested-with",
  ]) assert.equal(fold(words), words);
});

test("any message folds fast, to at most 200 characters", () => {
  const started = performance.now();
  for (const one of ["x ", "a", "1a", "'", '"', "@", "/home/", "_", "a-", "\\"]) assert.ok(fold(one.repeat(1e6)).length <= 200);
  assert.ok(performance.now() - started < 5000);
});

test("a reason without a message is its type and property names", () => {
  const thrower = new Proxy({}, { get() { throw new Error("trap"); }, ownKeys() { throw new Error("trap"); }, getPrototypeOf() { throw new Error("trap"); } });
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  /** @type {any} */
  const circular = { code: 42 };
  circular.self = circular;
  const cases = /** @type {[any, string, string][]} */ ([
    [{ code: 42 }, "Object", "Object {code}"],
    [Object.assign(Object.create(null), { secret: "x" }), "Object", "Object {secret}"],
    [circular, "Object", "Object {code,self}"],
    [["alice"], "Array", "Array {0}"],
    [() => "source", "Function", "Function {}"],
    [new Response("", { status: 404 }), "Response", "Response {}"],
    [{ message: 42, name: "Alice" }, "Object", "Object {message,name}"],
    [thrower, "Error", "object"],
    [revoked, "Error", "object"],
    [undefined, "Error", "undefined"], [null, "Error", "null"], [42, "Error", "0"], ["only text", "Error", "only text"], [Symbol("s"), "Error", "Symbol(s)"], [7n, "Error", "0"],
  ]);
  for (const [reason, exception, message] of cases) assert.deepEqual(faultOf(reason), { exception, message, class: undefined });
});

test("a reason of any realm has its message and its name", () => {
  const getter = { get message() { throw new Error("private"); }, code: 1 };
  const nameless = Object.defineProperty(new RangeError("known"), "name", { get() { throw new Error("private"); } });
  const cases = /** @type {[any, string, string][]} */ ([
    [new TypeError("bad"), "TypeError", "bad"],
    [new DOMException("stopped", "AbortError"), "AbortError", "stopped"],
    [new AggregateError([new Error("a")], "all failed"), "AggregateError", "all failed"],
    [{ message: "odd" }, "Error", "odd"],
    [{ name: "ApiError", message: "user_12" }, "ApiError", "user_0"],
    [Object.assign(new Error("x"), { name: 42 }), "Error", "x"],
    [{ name: Symbol("private"), message: "x" }, "Error", "x"],
    [{ name: { first: "Alice" }, message: "x" }, "Error", "x"],
    [{ name: "", message: "x" }, "Error", "x"],
    [getter, "Object", "Object {message,code}"],
    [nameless, "Error", "known"],
  ]);
  for (const [reason, exception, message] of cases) assert.deepEqual(faultOf(reason), { exception, message, class: undefined });
});

test("faults that no page can mend have a class", () => {
  assert.equal(faultOf("Script error.").class, "Script error");
  assert.equal(faultOf(new Error("ResizeObserver loop limit exceeded")).class, "ResizeObserver");
  assert.equal(faultOf("ResizeObserver loop completed with undelivered notifications.").class, "ResizeObserver");
  assert.equal(faultOf(new Error("no Script error")).class, undefined);
});

test("temporary answers are not refusals, and few are final", () => {
  for (const status of [undefined, 0, 200, 204, 302, 408, 425, 429, 500, 502, 503, 504, 520]) assert.ok(!isRefusal(status) && !isFinal(status), `${status}`);
  for (const status of [400, 405, 411, 413, 415, 422]) assert.ok(isRefusal(status) && !isFinal(status), `${status}`);
  for (const status of [401, 403, 404, 410]) assert.ok(isRefusal(status) && isFinal(status), `${status}`);
});

test("Retry-After is seconds or a date, and at most an hour", () => {
  const now_s = Date.UTC(2026, 10, 30) / 1000;
  for (const [text, wait_s] of [["5", 5], [" 120 ", 120], ["Mon, 30 Nov 2026 00:00:09 GMT", 9], ["1e9", 3600], ["Wed, 30 Nov 2099 00:00:00 GMT", 3600], ["soon", 0], [null, 0], [undefined, 0]]) {
    assert.equal(waitOf(text, now_s), wait_s, `${text}`);
  }
  assert.ok(waitOf("Mon, 30 Nov 2020 00:00:00 GMT", now_s) < 0, "a date that has passed is no wait");
});
