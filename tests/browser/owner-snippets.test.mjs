// @ts-check
/** The snippets of the owner's page: each is run as it is, and writes or reads as it says. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KEY_PLACE, WRITE_KEY_PLACE, dashboard, snippets } from "../../public/owner/snippets.js";
import { launch } from "./chromium.mjs";
import { eventually } from "./eventually.mjs";
import { startSite } from "./site.mjs";
import { visit } from "./visitor.mjs";
import { startWorker } from "./worker.mjs";

/** @import { Site } from "./site.mjs" */
/** @import { Stream, Worker } from "./worker.mjs" */

const run = promisify(execFile);
/** The Python in which tools/python.sh has installed the client. */
const PYTHON = process.env.HEARTBEAT_PYTHON ?? fileURLToPath(new URL("../../.tools/python/bin/python", import.meta.url));
const NO_PYTHON = existsSync(PYTHON) ? false : "the Python client is installed by tools/python.sh, which make test runs";

/** @type {Worker} */
let worker;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Site} */
let site;
/** The write keys of streams that accept only keyed writers. @type {Map<string, string>} */
const writeKeys = new Map();

before(async () => {
  worker = await startWorker();
  browser = await launch();
  site = await startSite();
});

after(async () => {
  await browser?.close();
  await worker?.stop();
  site?.stop();
});

/** @param {Stream} stream @param {object} [more] */
function factsOf(stream, more) {
  return { origin: worker.origin, id: stream.id, key: stream.read_key, writeKey: writeKeys.get(stream.id), isPublic: false, distinct: [], shards: 1, ...more };
}

/** @param {string} id @param {Stream} stream @param {object} [more] */
function textOf(id, stream, more) {
  const snippet = snippets(factsOf(stream, more)).find((one) => one.id === id);
  assert.ok(snippet, `there is a snippet ${id}`);
  return snippet.text;
}

/**
 * Labels of the stream's series, and the sum of each.
 * @param {Stream} stream
 * @returns {Promise<[Record<string, string>, number][]>}
 */
async function sums(stream) {
  const { series } = await worker.rollup(stream, { by: "*", from: "-5m" });
  return series.map((/** @type {any} */ { labels, sum }) => [labels, sum.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0)]);
}

/**
 * @param {string} name
 * @param {(stream: Stream) => Promise<void>} story
 * @param {object} [config]
 * @param {string | false} [skip] why not
 */
function snippet(name, story, config, skip = false) {
  test(name, { skip }, async () => story(await worker.createStream("pasted", config)));
}

/**
 * The same test on an open stream, and on one that accepts only keyed writers.
 * @param {string} name
 * @param {(stream: Stream) => Promise<void>} story
 * @param {object} [config]
 * @param {string | false} [skip]
 */
function writes(name, story, config, skip) {
  snippet(name, story, config, skip);
  test(`${name}, with a write key`, { skip }, async () => {
    const stream = await worker.createStream("pasted", { ...config, writers: "keyed" });
    writeKeys.set(stream.id, (await worker.createWriteKey(stream)).write_key);
    await story(stream);
  });
}

/**
 * A page of another origin that contains a snippet.
 * @param {string} html
 * @param {(page: import("playwright-core").Page) => Promise<void>} story
 */
async function onPage(html, story) {
  const path = `/${crypto.randomUUID()}`;
  site.put(path, { html });
  const visitor = await visit(browser);
  try {
    await visitor.page.goto(site.origin + path);
    await story(visitor.page);
    visitor.assertClean();
  } finally {
    await visitor.close();
  }
}

for (const id of ["curl", "appnet"]) {
  writes(`${id} writes a point`, async (stream) => {
    await run("sh", ["-euc", textOf(id, stream)]);
    assert.deepEqual(await sums(stream), [[{ event: id === "curl" ? "signup" : "join" }, 1]]);
  });
}

writes("the tag reports a view, counts, and counts client ids", async (stream) => {
  await onPage(textOf("script", stream, { distinct: ["client_id"] }), async (page) => {
    await page.evaluate(() => /** @type {any} */ (globalThis).heartbeat.count(1, { event: "signup" }));
    await page.evaluate(() => /** @type {any} */ (globalThis).heartbeat.flush());
    await eventually(async () => assert.deepEqual((await sums(stream)).map(([labels]) => labels.event).sort(), ["page_view", "signup"]));
  });
  const { series } = await worker.rollup(stream, { agg: "distinct:client_id", where: "event=page_view", step: "1h" });
  assert.deepEqual(series[0]["distinct:client_id"].filter(Boolean), [1]);
}, { distinct: ["client_id"] });

writes("a beacon writes a point", async (stream) => {
  await onPage("", async (page) => {
    assert.equal(await page.evaluate(textOf("beacon", stream)), true);
    await eventually(async () => assert.deepEqual(await sums(stream), [[{ event: "click" }, 1]]));
  });
});

writes("the pixel of a mail writes a point", async (stream) => {
  await onPage(textOf("pixel", stream), async () => {
    await eventually(async () => assert.deepEqual(await sums(stream), [[{ event: "open" }, 1]]));
  });
});

writes("a form writes a point, and the page stays", async (stream) => {
  await onPage(textOf("form", stream), async (page) => {
    const url = page.url();
    await page.getByRole("button", { name: "No" }).click();
    await eventually(async () => assert.deepEqual(await sums(stream), [[{ answer: "no" }, 1]]));
    assert.equal(page.url(), url);
  });
});

writes("Python's logging writes errors", async (stream) => {
  await run(PYTHON, ["-c", `${textOf("logging", stream)}\nlogging.getLogger("shop").error("no stock")`]);
  assert.deepEqual(await sums(stream), [[{ level: "ERROR", logger: "shop", source: "server" }, 1]]);
}, {}, NO_PYTHON);

writes("the Python client writes counters and timers", async (stream) => {
  await run(PYTHON, ["-c", textOf("client", stream)]);
  const metrics = (await sums(stream)).map(([labels]) => labels.metric).sort();
  assert.deepEqual(metrics, ["checkout", "signup"]);
}, {}, NO_PYTHON);

writes("the relay writes the metrics of statsd clients", async (stream) => {
  const text = textOf("statsd", stream);
  assert.match(text, /^(HEARTBEAT_WRITE_KEY=\S+ )?heartbeat statsd --to /);
  // Another port and a shorter interval: tests run in parallel, and don't wait.
  const child = spawn("sh", ["-euc", `${text.replace(/heartbeat (?=statsd)/, `exec ${PYTHON} -m heartbeat_stream `).replace("127.0.0.1:8125", "127.0.0.1:0")} --interval 0.2`], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    let port = 0;
    for await (const line of createInterface(child.stderr)) {
      port = Number(/listening at \S*?:(\d+)/.exec(line)?.[1] ?? 0);
      if (port) break;
    }
    assert.ok(port > 0);
    const socket = createSocket("udp4");
    await promisify((/** @type {any} */ done) => socket.send("logins:1|c", port, "127.0.0.1", done))();
    socket.close();
    await eventually(async () => assert.equal(await worker.count(stream), 1));
  } finally {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
}, {}, NO_PYTHON);

writes("an OpenTelemetry SDK writes its counts", async (stream) => {
  const program = fileURLToPath(new URL("../../clients/python/tests/otlp.mjs", import.meta.url));
  await run("sh", ["-euc", `${textOf("otlp", stream)}\nexec "$0" "$1" 5`, process.execPath, program]);
  const hits = (await sums(stream)).filter(([labels]) => labels.metric === "npm.hits");
  assert.equal(hits.reduce((sum, [, hits]) => sum + hits, 0), 30);
});

snippet("curl reads points as a rollup and as messages", async (stream) => {
  await worker.write(stream, [{ n: 5 }]);
  const rollup = JSON.parse((await run("sh", ["-euc", textOf("rollup", stream)])).stdout);
  assert.deepEqual(rollup.series[0].sum.filter(Boolean), [5]);
  const messages = JSON.parse((await run("sh", ["-euc", textOf("messages", stream)])).stdout);
  assert.equal(messages.data[0].annotations[0].value.n, 5);
});

snippet("a public stream is read without a key", async (stream) => {
  await worker.write(stream, [{ n: 5 }]);
  for (const id of ["rollup", "messages", "chart", "reader", "grafana", "prometheus"]) assert.ok(!textOf(id, stream, { isPublic: true }).includes("rk_"));
  const rollup = JSON.parse((await run("sh", ["-euc", textOf("rollup", stream, { isPublic: true })])).stdout);
  assert.deepEqual(rollup.series[0].sum.filter(Boolean), [5]);
}, { public_read: true });

snippet("Grafana's data source finds the stream as configured", async (stream) => {
  await worker.write(stream, [{ n: 5 }]);
  const text = textOf("grafana", stream);
  const told = (/** @type {string} */ name) => text.match(new RegExp(`^ +${name}: (.+)$`, "m"))?.[1];
  const authorization = `Basic ${btoa(`${told("basicAuthUser")}:${told("basicAuthPassword")}`)}`;
  const answer = await fetch(`${told("url")}/metrics/find?query=*`, { headers: { authorization } });
  assert.deepEqual((await answer.json()).map((/** @type {any} */ node) => node.text), ["pasted"]);
});

snippet("Prometheus' target answers as configured", async (stream) => {
  await worker.write(stream, [{ n: 5 }]);
  const text = textOf("prometheus", stream);
  const told = (/** @type {string} */ name) => text.match(new RegExp(`${name}: (.+)$`, "m"))?.[1];
  const target = `${told("scheme")}://${JSON.parse(told("targets") ?? "[]")[0]}${told("metrics_path")}`;
  const answer = await fetch(target, { headers: { authorization: `Bearer ${told("credentials")}` } });
  assert.match(await answer.text(), /^heartbeat_n_total 5$/m);
});

snippet("a chart is in a page with two lines", async (stream) => {
  await worker.write(stream, [{ n: 5 }]);
  await onPage(textOf("chart", stream), async (page) => {
    await page.locator("heartbeat-chart canvas").waitFor();
    await eventually(async () => assert.match(await page.locator("heartbeat-chart .legend").innerText(), /5/));
  });
});

snippet("a module reads the window", async (stream) => {
  await worker.write(stream, [{ n: 5 }]);
  await onPage(`<script type="module">${textOf("reader", stream)}\nglobalThis.s = s;</script>`, async (page) => {
    await page.waitForFunction(() => /** @type {any} */ (globalThis).s?.series[0]?.sum.includes(5));
  });
});

test("an unknown key is represented by a placeholder", async () => {
  const facts = { origin: "https://h.example", id: "ID", key: "", isPublic: false, distinct: [], shards: 1 };
  for (const { kind, text } of snippets(facts)) assert.equal(text.includes(KEY_PLACE), kind === "read");
  assert.equal(dashboard(facts), "https://h.example/?stream=ID");
  assert.equal(snippets({ ...facts, shards: 2 }).some(({ id }) => id === "messages"), false);
});

test("writers send the write key, readers don't, and pages warn", async () => {
  const facts = { origin: "https://h.example", id: "ID", key: "rk_a", isPublic: false, distinct: [], shards: 1 };
  const plain = snippets(facts);
  for (const { id, kind, text, note } of snippets({ ...facts, writeKey: "wk_b" })) {
    assert.equal(text.includes("wk_b"), kind === "write", id);
    const isPage = ["script", "beacon", "pixel", "form"].includes(id);
    assert.equal(Boolean(note?.includes("Every visitor of the page can read the key")), isPage, id);
    assert.ok(kind === "write" || text === plain.find((one) => one.id === id)?.text, id);
  }
  assert.ok(plain.every(({ text }) => !/wk_|[?&;]key=|WRITE_KEY/.test(text)));
  assert.ok(snippets({ ...facts, writeKey: WRITE_KEY_PLACE }).every(({ kind, text }) => text.includes(WRITE_KEY_PLACE) === (kind === "write")));
});

test("a user's text cannot break out of its place in a snippet", () => {
  const distinct = ['"><img src=x onerror=alert(1)>\u202E'];
  for (const { text } of snippets({ origin: "https://h.example", id: "ID", key: "rk_a", isPublic: false, distinct, shards: 1 })) {
    assert.ok(!text.includes("<img src=x") && !text.includes("\u202E"), text);
  }
});

test("the documents have everything that snippets assume", async () => {
  const [browserDocs, python, statsd, api, appnet, reader, graphite, otlpDocs, prometheusDocs] = await Promise.all(["browser", "python", "statsd", "api", "appnet", "reader", "graphite", "otlp", "prometheus"].map((name) => readFile(new URL(`../../docs/${name}.md`, import.meta.url), "utf8")));
  assert.match(browserDocs, /`data-stream`/);
  assert.match(browserDocs, /`data-distinct`/);
  assert.match(browserDocs, /`data-key`/);
  assert.match(python, /`HEARTBEAT_WRITE_KEY`/);
  assert.match(python, /HeartbeatHandler\(/);
  assert.match(python, /pip install \.\/clients\/python/);
  assert.match(statsd, /heartbeat statsd --listen 127\.0\.0\.1:8125 --to/);
  assert.match(api, /pixel\.gif/);
  assert.match(appnet, /channels\/\$ID\/messages/);
  assert.match(reader, /heartbeat-chart\.mjs/);
  assert.match(prometheusDocs, /metrics_path: \/v1\/streams/);
  assert.match(otlpDocs, /_TEMPORALITY_PREFERENCE=delta/);
  assert.match(graphite, /basicAuthUser: heartbeat/);
});
