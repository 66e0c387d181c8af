// @ts-check
/**
 * A page with heartbeat.js, and everything that it needs: a Worker, a gateway in front, a stream, a browser.
 */

import { after, before } from "node:test";
import { launch } from "./chromium.mjs";
import { startGateway } from "./gateway.mjs";
import { startSite } from "./site.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Worker, Stream } from "./worker.mjs" */
/** @import { Gateway } from "./gateway.mjs" */
/** @import { Site } from "./site.mjs" */

/** How many tests of a file run at a time: each has a browser context, and machines have few cores. */
export const CONCURRENCY = 4;

/** No automatic reports and a short wait; a test may ask for more. */
export const QUIET = { "flush-interval": "0.05", exceptions: "false", presence: "false", "page-views": "false" };

/** Stops the page's clock at a time, which has not passed until it stops. @param {Tab} page @param {number} at_ms */
export async function stopClock(page, at_ms) {
  await page.clock.install({ time: at_ms - 600_000 });
  await page.clock.pauseAt(at_ms);
}

/**
 * @typedef {object} Scene
 * @property {Worker} worker
 * @property {Gateway} gateway
 * @property {Site} site
 * @property {Stream} stream
 * @property {import("playwright-core").BrowserContext} context a visitor, with one storage
 * @property {(attributes?: Record<string, string>, before?: string) => string} tag
 * @property {(html: string, headers?: Record<string, string>) => Promise<Tab>} open
 * @property {(page: Tab) => Promise<void>} wait a second by the page's clock, unless the page waits for an answer
 * @property {(by: string) => Promise<Record<string, { sum: number, count: number, d: number }>>} totals
 */
/** @typedef {import("playwright-core").Page} Tab */

/**
 * Starts a Worker and a browser for a test file; each test gets streams, storage and addresses of its own.
 * @param {{ ownWorker?: boolean }} [options] a Worker for each test, which may stop it
 */
export function useScenes({ ownWorker = false } = {}) {
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {Worker} */
  let shared;

  before(async () => {
    [browser, shared] = await Promise.all([launch(), ownWorker ? /** @type {any} */ (null) : startWorker()]);
  });
  after(async () => {
    await browser?.close();
    await shared?.stop();
  });

  /**
   * @param {(scene: Scene, t: import("node:test").TestContext) => Promise<void>} run
   * @param {object} [options]
   * @param {object} [options.config] of the stream
   * @param {boolean} [options.hasErrors] the page under test has errors of its own
   */
  return (run, { config = {}, hasErrors = false } = {}) => async (/** @type {import("node:test").TestContext} */ t) => {
    const worker = ownWorker ? await startWorker() : shared;
    const [gateway, site, stream] = await Promise.all([
      startGateway(() => worker.origin),
      startSite(),
      worker.createStream("pages", config),
    ]);
    const visitor = await visit(browser);
    const context = visitor.page.context();
    const asked = /** @type {Set<import("playwright-core").Request>} */ (new Set());
    context.on("request", (request) => void asked.add(request));
    context.on("requestfinished", (request) => void asked.delete(request));
    context.on("requestfailed", (request) => void asked.delete(request));
    let isFirst = true;
    try {
      await run({ worker, gateway, site, stream, context, tag, open, wait, totals }, t);
      if (!hasErrors) visitor.assertClean();
    } finally {
      await visitor.close();
      site.stop();
      gateway.stop();
      if (ownWorker) await worker.stop();
    }

    /** The tag, as an owner pastes it. */
    function tag(/** @type {Record<string, string>} */ attributes = {}) {
      const data = Object.entries({ stream: stream.id, ...attributes }).map(([name, value]) => ` data-${name}='${value}'`);
      return `<script defer src="${gateway.origin}/heartbeat.js"${data.join("")}></script>`;
    }

    async function open(/** @type {string} */ html, /** @type {Record<string, string>} */ headers = {}) {
      site.put("/", { html, headers });
      const page = isFirst ? visitor.page : await context.newPage();
      isFirst = false;
      await page.goto(`${site.origin}/`);
      return page;
    }

    /** The timeout of a request runs by the page's clock too: a slow answer would come too late. */
    async function wait(/** @type {Tab} */ page) {
      const isAnswered = ![...asked].some((request) => request.frame().page() === page);
      if (isAnswered) await page.clock.runFor(1000);
    }

    /** The points of the last hour, by a label. */
    async function totals(/** @type {string} */ by) {
      const { series } = await worker.rollup(stream, { by, agg: "sum,count,ratio" });
      const add = (/** @type {number[]} */ numbers) => numbers.reduce((a, b) => a + (b ?? 0), 0);
      return Object.fromEntries(
        series.map((/** @type {any} */ one) => {
          const d = one.sum.map((/** @type {number} */ sum, /** @type {number} */ i) => (sum ? sum / one.ratio[i] : 0));
          return [one.labels[by] ?? "", { sum: add(one.sum), count: add(one.count), d: add(d) }];
        }),
      );
    }
  };
}
