// @ts-check
/**
 * A page of 2013 on another origin, whose client wrote to app.net: it works here with only the host changed.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { visit } from "./visitor.mjs";
import { OWNER_TOKEN, startWorker } from "./worker.mjs";

/** @import { Worker } from "./worker.mjs" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
const site = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><title>A site</title>"));

before(async () => {
  await once(site.listen(0, "127.0.0.1"), "listening");
  worker = await startWorker();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
  site.close();
});

/**
 * Runs in a page of another origin.
 * @template A, R
 * @param {(given: A) => R} script
 * @param {A} given
 */
async function elsewhere(script, given) {
  const visitor = await visit(browser);
  try {
    const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
    await visitor.page.goto(`http://127.0.0.1:${port}/`);
    return await visitor.page.evaluate(/** @type {any} */ (script), given);
  } finally {
    await visitor.close();
  }
}

test("a client of 2013 creates a channel, posts and polls", async () => {
  const root = `${worker.origin}/stream/0`;
  const seen = await elsewhere(
    async ({ root, token }) => {
      /** @param {string} path @param {string} token @param {object} [body] */
      async function call(path, token, body) {
        const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", "X-ADN-Migration-Overrides": "x=1" };
        const response = await fetch(root + path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
        return response.json();
      }

      const type = "net.app.contrib.timeseries";
      const wish = { type, readers: { you: true }, writers: { any_user: true, immutable: false } };
      const { data: channel } = await call("/channels", token, wish);
      const key = channel.annotations[0].value.read_key;
      const path = `/channels/${channel.id}/messages`;
      const annotations = [{ type, value: { n: 1, kv: { join: 1, c: "rando1" } } }];
      const created_at = new Date().toISOString();
      // The token that was in public JavaScript: it means nothing here.
      const posted = await call(path, "public", { channel_id: channel.id, created_at, machine_only: true, annotations });

      let since = "";
      for (const end_ms = Date.now() + 120_000; Date.now() < end_ms; ) {
        const page = await call(`${path}?include_machine=1&include_annotations=1&since_id=${since}`, key);
        since = page.meta.max_id ?? since;
        if (page.data.length) {
          const after = await call(`${path}?include_machine=1&include_annotations=1&since_id=${since}`, key);
          return { posted, page, after };
        }
      }
      throw new Error("the point never came");
    },
    { root, token: OWNER_TOKEN },
  );
  assert.deepEqual(seen.posted.meta, { code: 200 });
  assert.equal(seen.page.data[0].id, seen.posted.data.id);
  assert.equal(seen.page.data[0].machine_only, true);
  const [{ type, value }] = seen.page.data[0].annotations;
  assert.deepEqual([type, value.n, value.v], ["net.app.contrib.timeseries", 1, { join: "1", c: "rando1" }]);
  assert.deepEqual(value.kv, { join: 1, c: "rando1" });
  assert.deepEqual(seen.after.data, []);
});

test("a consumer from 2013 that compares numbers draws the visitors", async () => {
  const root = `${worker.origin}/stream/0`;
  const headers = { Authorization: `Bearer ${OWNER_TOKEN}`, "Content-Type": "application/json" };
  const made = await fetch(`${root}/channels`, { method: "POST", headers, body: "{}" });
  const { data: channel } = /** @type {any} */ (await made.json());
  const path = `${root}/channels/${channel.id}/messages`;
  // Two are there, each twice; one has only joined.
  const seen = await elsewhere(
    async ({ path, key }) => {
      const type = "net.app.contrib.timeseries";
      /** @param {object} kv */
      async function send(kv) {
        const body = JSON.stringify({ machine_only: true, annotations: [{ type, value: { n: 1, kv } }] });
        await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      }
      for (const c of ["one", "other", "one", "other"]) await send({ update: 1, c });
      await send({ join: 1, c: "third" });

      const query = "?include_machine=1&include_annotations=1&since_id=0";
      const response = await fetch(path + query, { headers: { Authorization: `Bearer ${key}` } });
      const { data } = await response.json();
      const points = data.flatMap((/** @type {any} */ message) => message.annotations.map((/** @type {any} */ { value }) => value.kv ?? {}));
      const present = points.filter((/** @type {any} */ kv) => kv.update === 1 && kv.c !== undefined);
      const count = new Set(present.map((/** @type {any} */ kv) => kv.c)).size;

      const namespace = "http://www.w3.org/2000/svg";
      const graph = document.body.appendChild(document.createElementNS(namespace, "svg"));
      const bar = graph.appendChild(document.createElementNS(namespace, "rect"));
      bar.setAttribute("width", "20");
      bar.setAttribute("height", String(count * 40));
      return { count, height: bar.getBoundingClientRect().height };
    },
    { path, key: channel.annotations[0].value.read_key },
  );
  assert.deepEqual(seen, { count: 2, height: 80 });
});

test("a page of another origin can read a problem", async () => {
  const seen = await elsewhere(
    async ({ root }) => {
      const headers = { Authorization: "Bearer x", "Content-Type": "application/json" };
      const response = await fetch(`${root}/channels`, { method: "POST", headers, body: "{}" });
      return [response.status, await response.json()];
    },
    { root: `${worker.origin}/stream/0` },
  );
  assert.equal(seen[0], 401);
  assert.equal(seen[1].meta.error_slug, "invalid-token");
});
