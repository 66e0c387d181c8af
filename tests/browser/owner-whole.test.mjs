// @ts-check
/** The owner's page and its writers, from the button to the real stream: no double takes the server's place. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { signIn } from "./owner.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Page } from "playwright-core" */
/** @import { Stream, Worker } from "./worker.mjs" */

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

/** @param {string} name @param {(page: Page, stream: Stream) => Promise<void>} story */
function scene(name, story) {
  test(name, async () => {
    const visitor = await visit(browser);
    try {
      const stream = await worker.createStream("shared");
      await story(visitor.page, stream);
      visitor.assertClean();
    } finally {
      await visitor.close();
    }
  });
}

/** The status of a write. @param {Stream} stream @param {Record<string, string>} [headers] @param {object} [v] */
async function write({ id }, headers = {}, v = {}) {
  const response = await fetch(`${worker.origin}/v1/streams/${id}/points`, { method: "POST", headers: { Connection: "close", ...headers }, body: JSON.stringify({ n: 1, v }) });
  await response.arrayBuffer();
  return response.status;
}

scene("a key writes to a keyed stream until it is revoked", async (page, stream) => {
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.getByLabel("Who the new key is for").fill("backup");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "The key of backup" }).waitFor();
  const key = await page.locator(".fresh .secret code").innerText();
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Who can write and read" }).click();
  await form.getByLabel("Who can write").selectOption("keyed");
  await page.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  await eventually(async () => assert.equal(await write(stream), 401));
  assert.equal(await write(stream, { Authorization: `Bearer ${key}` }), 202);

  await eventually(async () => {
    await page.locator(".who [name=refresh]").click();
    await page.locator(".lists tbody tr", { hasText: "backup" }).waitFor({ timeout: 5000 });
  });
  await page.locator(".lists").getByRole("button", { name: "Revoke backup" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key is revoked.").waitFor();
  await eventually(async () => assert.equal(await write(stream, { Authorization: `Bearer ${key}` }), 401));
  await page.reload();
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.getByText("There are none yet.").waitFor();
});

scene("the most active writer is found, blocked and unblocked", async (page, stream) => {
  const spam = { Origin: "https://spam.example" };
  assert.equal(await write(stream, spam), 202);
  await signIn(page, worker, `?stream=${stream.id}`);
  const lists = page.locator(".lists");
  await eventually(async () => {
    await page.locator(".who [name=refresh]").click();
    await lists.getByRole("button", { name: "Block https://spam.example" }).waitFor({ timeout: 5000 });
  });
  await lists.getByRole("button", { name: "Block https://spam.example" }).click();
  await page.getByText("https://spam.example is blocked.").waitFor();
  await eventually(async () => assert.equal(await write(stream, spam), 403));
  assert.equal(await write(stream), 202);
  await page.locator(".barred").getByRole("button", { name: "Unblock https://spam.example" }).click();
  await page.getByText("https://spam.example can write again.").waitFor();
  await eventually(async () => assert.equal(await write(stream, spam), 202));

  const network = lists.getByRole("button", { name: /^Block n_/ });
  await network.click();
  await page.getByText(/^n_[0-9a-f]+ is blocked\.$/).waitFor();
  await eventually(async () => assert.equal(await write(stream), 403));
  await page.reload();
  await signIn(page, worker, `?stream=${stream.id}`);
  await page.locator(".barred").getByRole("button", { name: /^Unblock n_/ }).click();
  await eventually(async () => assert.equal(await write(stream), 202));

  await page.getByLabel("Block a network or a site").fill("no network");
  await page.keyboard.press("Enter");
  await page.locator(".who .fault", { hasText: "in blocked.networks" }).waitFor();
});

scene("rules drop and reject, and their mistakes appear at the field", async (page, stream) => {
  await signIn(page, worker, `?stream=${stream.id}`);
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Rules and budgets" }).click();
  const field = form.getByLabel("What is accepted, as JSON");
  await field.fill('{"labels":{"path":{"pattern":"("}}}');
  await page.getByRole("button", { name: "Save" }).click();
  await form.locator('[data-field="accept"] .fault', { hasText: "path" }).waitFor();
  await field.fill('{"labels":{"path":{"values":["/a"]}},"others":"reject","n":{"max":10}}');
  await page.getByRole("button", { name: "Save" }).click();
  await form.getByText("Saved.").waitFor();
  await eventually(async () => assert.equal(await write(stream, {}, { path: "/b" }), 400));
  assert.equal(await write(stream, {}, { path: "/a" }), 202);
  await field.fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await eventually(async () => assert.equal(await write(stream, {}, { path: "/b" }), 202));
});

scene("budgets are shown, changed, refused and reset", async (page, stream) => {
  await signIn(page, worker, `?stream=${stream.id}`);
  const form = page.locator(".settings form");
  await form.locator("summary", { hasText: "Rules and budgets" }).click();
  const field = form.getByLabel("Budgets of writers, as JSON");
  const { new_names_per_hour: usual } = JSON.parse(await field.inputValue());
  const save = async (/** @type {object} */ limits) => {
    await field.fill(JSON.stringify(limits));
    await page.getByRole("button", { name: "Save" }).click();
  };
  await save({ new_names_per_hour: -1 });
  await form.locator('[data-field="limits"] .fault', { hasText: "New_names_per_hour must be a whole number" }).waitFor();
  await save({ new_names_per_hour: 7 });
  await form.getByText("Saved.").waitFor();
  assert.equal(JSON.parse(await field.inputValue()).new_names_per_hour, 7);
  await save({});
  await eventually(async () => assert.equal(JSON.parse(await field.inputValue()).new_names_per_hour, usual));
});

scene("points are counted and removed, and nothing else", async (page, stream) => {
  await worker.write(stream, [{ n: 1, v: { client: "7" } }, { n: 2, v: { client: "7" } }, { n: 5, v: { client: "8" } }]);
  await signIn(page, worker, `?stream=${stream.id}`);
  const panel = page.locator(".removal");
  await page.getByRole("button", { name: "Count them first" }).click();
  await panel.locator(".fault:not([hidden])", { hasText: "to remove everything, delete the stream" }).waitFor();
  await panel.getByLabel("Of which series").fill("client=7");
  await page.getByRole("button", { name: "Count them first" }).click();
  await panel.getByText(/^2 points of 1 series \(.+\) would be removed\.$/).waitFor();
  assert.equal(await worker.count(stream), 3);
  await page.getByRole("button", { name: "Remove them" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove permanently" }).click();
  await panel.getByText(/^2 points of 1 series \(.+\) were removed\.$/).waitFor();
  await eventually(async () => {
    const { series } = await worker.rollup(stream, { by: "client", from: "-1h", agg: "sum" });
    assert.deepEqual(series.map((/** @type {any} */ { labels, sum }) => [labels.client, sum.filter(Boolean)]), [["8", [5]]]);
  });
});
