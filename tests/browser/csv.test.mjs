// @ts-check
/** The page's CSV file is the server's, whatever the names and values of labels. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Worker } from "./worker.mjs" */

const HOSTILE = { time: "never", sum: "999", who: '=HYPERLINK("https://evil.example","x")', at: "@SUM(1)", "=x": "1", quoted: "a,\"b\"" };

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  worker = await startWorker();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
});

test("the page's CSV file is exactly the server's", async () => {
  const stream = await worker.createStream();
  await worker.write(stream, [{ n: 3, v: HOSTILE }]);
  const visitor = await visit(browser);
  try {
    const { page } = visitor;
    await page.goto(`${worker.origin}/?${new URLSearchParams({ stream: stream.id, by: Object.keys(HOSTILE).join(), from: "-1h" })}#key=${stream.read_key}`);
    await page.getByRole("button", { name: "CSV" }).waitFor();
    const served = page.waitForResponse((response) => response.url().includes("format=csv"));
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    const text = await readFile(await file.path(), "utf8");
    const headers = { Authorization: `Bearer ${stream.read_key}` };
    assert.equal(text, await (await fetch((await served).url(), { headers })).text());
    visitor.assertClean();
    const [head, row] = text.split("\r\n");
    assert.equal(head, "time,label.=x,at,quoted,label.sum,label.time,who,sum");
    assert.equal(row.replace(/^\d+/, ""), `,1,'@SUM(1),"a,""b""",999,never,"'=HYPERLINK(""https://evil.example"",""x"")",3`);
  } finally {
    await visitor.close();
  }
});
