// @ts-check
/** The Worker itself goes down and comes up again while pages write. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "./eventually.mjs";
import { QUIET, useScenes } from "./writing-page.mjs";

const scene = useScenes({ ownWorker: true });

/** In the page. @type {any} */
let heartbeat;

test(
  "a Worker outage loses and repeats no point of three tabs",
  scene(async ({ worker, gateway, site, context, tag, totals }) => {
    site.put("/", { html: tag(QUIET) });
    const tabs = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const page = await context.newPage();
        await page.goto(`${site.origin}/`);
        await page.evaluate(() => {
          let told = 0;
          const timer = setInterval(() => {
            heartbeat.count(1, { event: "tick" });
            heartbeat.timing(told, { event: "time" });
            told += 1;
            // Rarely enough: memory and storage hold minutes of it.
          }, 100);
          Object.assign(window, { stop: () => (clearInterval(timer), told) });
        });
        return page;
      }),
    );
    await eventually(() => assert.ok(gateway.seen.filter(({ status }) => status === 202).length >= 10));
    await worker.goDown();
    const failed = () => gateway.seen.filter(({ status }) => status === 0).length;
    await eventually(() => assert.ok(failed() >= 3));
    await worker.comeUp();
    const told = await Promise.all(tabs.map((page) => page.evaluate(() => /** @type {any} */ (window).stop())));
    // The third is closed while its points may still wait.
    await tabs[2].close();
    const all = told.reduce((a, b) => a + b, 0);
    await eventually(async () => {
      // What the closed one could not send waits until another has work.
      await tabs[0].evaluate(() => heartbeat.flush());
      const { tick, time } = await totals("event");
      assert.deepEqual([tick.sum, time.count], [all, all]);
    });
    await eventually(async () => {
      const kept = await tabs[0].evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("heartbeat:")));
      assert.deepEqual(kept, []);
    });
  }),
);
