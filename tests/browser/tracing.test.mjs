// @ts-check
/**
 * Pages whose `fetch` is traced: OpenTelemetry, Sentry, Datadog and Zipkin add headers to each request. Each then has a
 * preflight that asks for them, and points and readers must get through.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { startSite } from "./site.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Worker } from "./worker.mjs" */
/** @import { Site } from "./site.mjs" */

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Site} */
let site;

before(async () => {
  [worker, browser, site] = await Promise.all([startWorker(), launch(), startSite()]);
});

after(async () => {
  await browser?.close();
  await worker?.stop();
  site?.stop();
});

const TRACE = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

/** What each adds. @type {Record<string, Record<string, string>>} */
const TRACERS = {
  OpenTelemetry: { traceparent: `00-${TRACE}-01`, tracestate: "vendor=1" },
  Sentry: { "sentry-trace": `${TRACE}-1`, baggage: "sentry-environment=production" },
  Datadog: { "x-datadog-origin": "rum", "x-datadog-parent-id": "1", "x-datadog-sampling-priority": "1", "x-datadog-trace-id": "2" },
  Zipkin: { b3: `${TRACE}-1`, "X-B3-TraceId": "463ac35c9f6413ad" },
};

for (const [tracer, added] of Object.entries(TRACERS)) {
  for (const isListed of [false, true]) {
    const where = isListed ? "on a stream with an allow-list" : "on a stream for every page";
    test(`a page whose fetch ${tracer} patched writes and reads ${where}`, async () => {
      const stream = await worker.createStream("traced", isListed ? { origins: [site.origin] } : {});
      const visitor = await visit(browser);
      try {
        site.put("/", {
          html: `<script>
            const real = window.fetch;
            window.fetch = (resource, init = {}) => {
              const request = new Request(resource, init);
              for (const [name, value] of Object.entries(${JSON.stringify(added)})) request.headers.set(name, value);
              return real(request);
            };
          </script>`,
        });
        await visitor.page.goto(`${site.origin}/`);
        const statuses = await visitor.page.evaluate(
          async ([url, key]) => {
            const post = (/** @type {string} */ path, /** @type {string} */ body, headers = {}) =>
              fetch(url + path, { method: "POST", body, headers, credentials: "omit" });
            const read = (/** @type {string} */ path) => fetch(url + path, { headers: { Authorization: `Bearer ${key}` } });
            const answers = [
              await post("/points", '{"n":1}'),
              await post("/points", '{"n":2}', { "Content-Type": "application/json", "Idempotency-Key": "k" }),
              await post("/statsd", "signups:1|c"),
              await post("/otlp/v1/metrics", "{}", { "Content-Type": "application/json" }),
              await read("/rollup"),
              await read("/status"),
              await read("/deltas"),
              await read("/graphite/functions"),
            ];
            return answers.map(({ status }) => status);
          },
          [`${worker.origin}/v1/streams/${stream.id}`, stream.read_key],
        );
        assert.deepEqual(statuses, [202, 202, 202, 200, 200, 200, 200, 200]);
        assert.equal(await worker.count(stream), 3);
        visitor.assertClean();
      } finally {
        await visitor.close();
      }
    });
  }
}
