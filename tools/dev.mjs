// @ts-check
/**
 * `make dev`: wrangler's development server, with everything that a first visitor needs: secrets, one stream to write to,
 * and the commands to paste. What it makes is kept in git-ignored files, so the next start finds the same stream.
 *
 *   node tools/dev.mjs [--port 8787] [--state .wrangler/state]
 */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, parseEnv } from "node:util";

const ROOT = join(import.meta.dirname, "..");
const SECRETS = ".dev.vars";
/** A cold compilation happens before the server answers. */
const START_MS = 10 * 60_000;
const POLL_MS = 200;
/** wrangler saves nothing when it stops; one that is still there after this is stuck. */
const STOP_MS = 5_000;

process.chdir(ROOT);
const { port, state } = readOptions();
const savedPath = join(state, "dev-stream.json");
const origin = `http://127.0.0.1:${port}`;
const ownerToken = readOwnerToken();
await assertPortIsFree();
startWrangler();
await untilAnswering();
await showStream();

function readOptions() {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: process.env.PORT || "8787" },
      state: { type: "string", default: join(".wrangler", "state") },
    },
  });
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65535) {
    fail(`--port takes a port's number, not "${values.port}"`);
  }
  return values;
}

/** The owner's token out of the secrets' file, which is made with random values on the first run. */
function readOwnerToken() {
  if (!existsSync(SECRETS)) {
    const random = () => randomBytes(32).toString("base64url");
    writeFileSync(SECRETS, `OWNER_TOKEN=${random()}\nSIGNING_KEY=${random()}\n`, { mode: 0o600 });
  }
  const { OWNER_TOKEN } = parseEnv(readFileSync(SECRETS, "utf8"));
  if (!OWNER_TOKEN) {
    fail(`${SECRETS} has no OWNER_TOKEN; delete the file to have a new one made`);
  }
  return OWNER_TOKEN;
}

/** Otherwise it would be a stranger that answers, and that we would tell the owner's token. */
async function assertPortIsFree() {
  const probe = createServer();
  const isFree = await new Promise((resolve) => {
    probe.once("error", () => resolve(false)).listen({ port, host: "127.0.0.1" }, () => resolve(true));
  });
  if (!isFree) {
    fail(`port ${port} is in use; choose another with PORT=`);
  }
  await new Promise((resolve) => probe.close(resolve));
}

/** Runs until we are told to stop, or until it ends by itself; either way its end is ours. */
function startWrangler() {
  const args = ["dev", "--ip", "127.0.0.1", "--port", port, "--persist-to", state];
  const child = spawn(join("node_modules", ".bin", "wrangler"), [...args, "--show-interactive-dev-session=false"], {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      // wrangler starts whichever Node it finds; the project's own is new enough.
      PATH: [join(ROOT, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      // No telemetry, no question about updates (the banner asks the registry), no sample `cf` from Cloudflare.
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_HIDE_BANNER: "true",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
    },
  });
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), STOP_MS).unref();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  // Whatever ends us, an error of our own included, ends wrangler.
  process.on("exit", () => child.kill("SIGTERM"));
  child.on("exit", (code) => process.exit(isStopping ? 0 : (code ?? 1)));
}

async function untilAnswering() {
  const deadline = Date.now() + START_MS;
  while (!(await fetch(origin).then(() => true, () => false))) {
    if (Date.now() > deadline) {
      fail(`nothing answers on ${origin}`);
    }
    await sleep(POLL_MS);
  }
}

async function showStream() {
  const stream = (await savedStream()) ?? (await createStream());
  if (stream === undefined) {
    return;
  }
  const { id, read_key } = stream;
  console.log(`
Heartbeat runs on ${origin}/

  The dashboard of stream "dev":
    ${origin}/?stream=${id}#key=${read_key}
  Write a point:
    curl -X POST ${origin}/v1/streams/${id}/points -d '{"n":1234,"d":3,"p":10,"v":{"country":"US"}}'
  Read it back:
    curl -H 'Authorization: Bearer ${read_key}' '${origin}/v1/streams/${id}/rollup?from=-5m&step=1m&by=country&agg=sum,ratio,count'
  The owner's token is OWNER_TOKEN in ${SECRETS}. Ctrl-C stops.
`);
}

/** The stream of an earlier run, if the server still knows it: its state may have been deleted. */
async function savedStream() {
  if (!existsSync(savedPath)) {
    return undefined;
  }
  const stream = JSON.parse(readFileSync(savedPath, "utf8"));
  const response = await asOwner(`/v1/streams/${stream.id}`);
  return response.status === 200 ? stream : undefined;
}

async function createStream() {
  const response = await asOwner("/v1/streams", { method: "POST", body: JSON.stringify({ name: "dev" }) });
  if (response.status !== 201) {
    // Perhaps it is the very thing that is being worked on: the server goes on.
    console.error(`dev: no stream was made, the server answered ${response.status}: ${await response.text()}`);
    return undefined;
  }
  const { id, read_key } = await response.json();
  mkdirSync(state, { recursive: true });
  writeFileSync(savedPath, `${JSON.stringify({ id, read_key })}\n`, { mode: 0o600 });
  return { id, read_key };
}

/** @param {string} path @param {RequestInit} [init] */
function asOwner(path, init) {
  const headers = { authorization: `Bearer ${ownerToken}`, "content-type": "application/json" };
  return fetch(origin + path, { ...init, headers });
}

/** @param {string} reason @returns {never} */
function fail(reason) {
  console.error(`dev: ${reason}`);
  process.exit(1);
}
