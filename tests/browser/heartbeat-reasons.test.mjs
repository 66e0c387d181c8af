// @ts-check
/** Everything that pages throw or reject with counts under its own name, and nothing private is reported. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "./eventually.mjs";
import { CONCURRENCY, QUIET, useScenes } from "./writing-page.mjs";

const scene = useScenes();
const EXCEPTIONS = { ...QUIET, exceptions: "true" };

/** In the page. @type {any} */
let heartbeat;

/** n by exception and message, of all that a gateway has seen. @param {import("./gateway.mjs").Gateway} gateway */
function faults(gateway) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const { n, v } of gateway.points()) {
    const key = [v.exception, v.message, v.class].filter((one) => one !== undefined).join(" | ");
    sums[key] = (sums[key] ?? 0) + n;
  }
  return sums;
}

describe("heartbeat.js", { concurrency: CONCURRENCY }, () => {
  test(
    "rejections with any kind of reason are counted",
    scene(
      async ({ gateway, tag, open }) => {
        const page = await open(`${tag({ ...EXCEPTIONS, "exception-budget": "50" })}<a id="link" href="https://a.example/private" name="secret">x</a><input id="field" name="email"><iframe id="frame" srcdoc="x"></iframe>`);
        await page.evaluate(() => {
          const find = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
          /** @type {any} */
          const circular = { code: 42 };
          circular.self = circular;
          const thrower = new Proxy({}, { get() { throw new Error("trap"); }, ownKeys() { throw new Error("trap"); } });
          for (const reason of [
            { code: 42 }, Object.create(null), { get message() { throw new Error("private"); } }, new Event("load"), new ErrorEvent("error", { message: "of a worker" }),
            find("link"), find("field"), new (find("frame").contentWindow.TypeError)("of a frame"), new DOMException("stopped", "AbortError"), new Response("private", { status: 404 }),
            circular, thrower, () => "private", Symbol("s"), undefined, null, 7, new AggregateError([], "all failed"), { message: "only a message" }, Object.assign(new Error("x"), { name: {} }),
            { name: Symbol("private"), message: "its name is a symbol" }, { name: { toString() { throw new Error("private"); } }, message: "its name throws" },
          ]) Promise.reject(reason);
        });
        const expected = {
          "Object | Object {code}": 1, "Object | Object {}": 1, "Object | Object {message}": 1, "Event | Event {isTrusted}": 1, "Error | of a worker": 1,
          "HTMLAnchorElement | HTMLAnchorElement {}": 1, "HTMLInputElement | HTMLInputElement {}": 1, "TypeError | of a frame": 1, "AbortError | stopped": 1, "Response | Response {}": 1,
          "Object | Object {code,self}": 1, "Error | object": 1, "Function | Function {}": 1, "Error | Symbol(s)": 1, "Error | undefined": 1, "Error | null": 1, "Error | 0": 1,
          "AggregateError | all failed": 1, "Error | only a message": 1, "Error | x": 1, "Error | its name is a symbol": 1, "Error | its name throws": 1,
        };
        await eventually(() => assert.deepEqual(faults(gateway), expected));
        assert.ok(!/private|secret|email/.test(JSON.stringify(gateway.seen)));
      },
      { hasErrors: true },
    ),
  );

  test(
    "any thrown value is counted, even a falsy one",
    scene(
      async ({ gateway, tag, open }) => {
        const page = await open(tag(EXCEPTIONS));
        await page.evaluate(() => {
          for (const thrown of [0, "", false, { code: 1 }]) setTimeout(() => { throw thrown; });
        });
        await eventually(() => assert.deepEqual(faults(gateway), { "Error | 0": 1, "Error": 1, "Error | false": 1, "Object | Object {code}": 1 }));
      },
      { hasErrors: true },
    ),
  );

  test(
    "errors that only differ in an id are one point",
    scene(async ({ gateway, tag, open }) => {
      const page = await open(tag(EXCEPTIONS));
      await page.evaluate(() => {
        for (const id of ["cus_NffrFeUfNV2Hib", "cus_9s6XKzkNRiz8i3", "cus_QkZyTqWmAbCdEf"]) heartbeat.exception(new Error(`no customer ${id}`));
        for (const id of ["user_12", "user_7"]) heartbeat.exception(new Error(`no ${id} in Uint8Array`));
      });
      await eventually(() => assert.deepEqual(faults(gateway), { "Error | no customer cus_0": 3, "Error | no user_0 in Uint8Array": 2 }));
    }),
  );

  test(
    "harmless errors have a class that a query can exclude",
    scene(
      async ({ worker, stream, gateway, site, tag, open }) => {
        site.put("/broken.js", { script: "throw new Error('private');" });
        const elsewhere = site.origin.replace("127.0.0.1", "localhost");
        const loop = `<div id="box" style="width:10px">x</div><script>
          new ResizeObserver(([{ target }]) => { target.style.width = target.offsetWidth + 1 + "px"; }).observe(document.getElementById("box"));
          addEventListener("load", () => setTimeout(() => { throw new Error("of the page"); }));</script>`;
        await open(`${tag(EXCEPTIONS)}<script defer src="${elsewhere}/broken.js"></script>${loop}`);
        await eventually(async () => {
          const of = faults(gateway);
          assert.equal(of["Error | Script error. | Script error"], 1);
          assert.ok(of["Error | ResizeObserver loop completed with undelivered notifications. | ResizeObserver"] >= 1, JSON.stringify(of));
          const { series } = await worker.rollup(stream, { by: "message", where: "class=", agg: "sum" });
          assert.deepEqual(series.map((/** @type {any} */ one) => one.labels.message), ["of the page"]);
        });
      },
      { hasErrors: true },
    ),
  );
});
