// @ts-check
/**
 * `make dev`: wrangler's development server, with everything that a newcomer needs: secrets, a stream to write to and a
 * key to read it, as the variables of the documents' examples, and two commands to paste. Git-ignored files keep them,
 * so that the next start finds the same stream; a stream or key that no longer works is replaced.
 *
 *   node tools/dev.mjs [--port 8787] [--state .wrangler/state]
 */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, parseEnv } from "node:util";
import { parse as parseToml } from "smol-toml";

const ROOT = join(import.meta.dirname, "..");
const SECRETS = ".dev.vars";
/**
 * The host of docs/carbon.md, which does not exist. It is allowed by default, so that the example there works as
 * pasted.
 */
const EXAMPLE_CARBON = "carbon.example.com:2003";
/**
 * Which Worker runs: `quick`, so that a change runs within seconds, or `release`, as it is tested and deployed. See
 * tools/build.sh.
 */
const PROFILE = process.env.PROFILE || "quick";
const WORKER = PROFILE === "release" ? join("build", "index.js") : join("target", "quick-worker", "index.js");
/** The server answers only after a first compilation. */
const START_MS = 10 * 60_000;
const POLL_MS = 200;
/** wrangler saves nothing when it stops; if it still runs after this, it is stuck. */
const STOP_MS = 5_000;

process.chdir(ROOT);
const { port, state } = readOptions();
const savedPath = join(state, "dev-stream.json");
const origin = `http://127.0.0.1:${port}`;
const settings = readSettings();
const ownerToken = settings.OWNER_TOKEN;
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

/** Settings of wrangler.toml and of the file of secrets, which the first run creates with random values. */
function readSettings() {
  if (!existsSync(SECRETS)) {
    makeSecrets();
  }
  /** @type {any} */
  const { vars } = parseToml(readFileSync("wrangler.toml", "utf8"));
  const { OWNER_TOKEN, CARBON_HOSTS = vars.CARBON_HOSTS } = parseEnv(readFileSync(SECRETS, "utf8"));
  if (!OWNER_TOKEN) {
    fail(`${SECRETS} has no OWNER_TOKEN; delete the file to have a new one made`);
  }
  return { OWNER_TOKEN, CARBON_HOSTS: CARBON_HOSTS || EXAMPLE_CARBON };
}

/** Two servers that start together must get the same secrets, and never half a file. */
function makeSecrets() {
  const random = () => randomBytes(32).toString("base64url");
  const mine = `${SECRETS}.${process.pid}`;
  writeFileSync(mine, `OWNER_TOKEN=${random()}\nSIGNING_KEY=${random()}\n`, { mode: 0o600 });
  try {
    linkSync(mine, SECRETS);
  } catch (/** @type {any} */ error) {
    if (error.code !== "EEXIST") {
      throw error;
    }
  } finally {
    rmSync(mine);
  }
}

/** Otherwise a stranger would answer, and get the owner token from us. */
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

/** Runs wrangler until a signal comes or it ends on its own; then this process ends too. */
function startWrangler() {
  const args = ["dev", WORKER, "--ip", "127.0.0.1", "--port", port, "--persist-to", state];
  args.push("--var", `CARBON_HOSTS:${settings.CARBON_HOSTS}`);
  const child = spawn(join("node_modules", ".bin", "wrangler"), [...args, "--show-interactive-dev-session=false"], {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PROFILE,
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
  // Any end of this process, even by an error, ends wrangler.
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
  For the examples of the README and of docs/, in another terminal:
    export URL=${origin}
    export ID=${id}
    export KEY=${read_key}
    export OWNER_TOKEN=${quoted(ownerToken)}
  Write a point:
    curl -X POST ${origin}/v1/streams/${id}/points -d '{"n":1234,"d":3,"p":10,"v":{"country":"US"}}'
  Read it back:
    curl -H 'Authorization: Bearer ${read_key}' '${origin}/v1/streams/${id}/rollup?from=-5m&step=1m&by=country&agg=sum,ratio,count'
  The owner's token is OWNER_TOKEN in ${SECRETS}. Ctrl-C stops.
`);
}

/**
 * The stream of an earlier run, if the server still knows it: somebody may have deleted its state. Somebody may have
 * replaced its key too, and the server can't show the new one: then the stream gets another.
 */
async function savedStream() {
  const stream = readSaved();
  if (stream === undefined || (await asOwner(`/v1/streams/${stream.id}`)).status !== 200) {
    return undefined;
  }
  // Not the rollup: the stream may be public.
  const path = `/v1/streams/${stream.id}/status`;
  const { status } = await fetch(origin + path, { headers: { authorization: `Bearer ${stream.read_key}` } });
  if (status !== 401) {
    return stream;
  }
  const response = await asOwner(`/v1/streams/${stream.id}/read-key`, { method: "POST" });
  if (response.status !== 200) {
    return undefined;
  }
  const { read_key } = await response.json();
  console.log("dev: the saved read key of the stream was replaced, so it has a new one");
  return save({ id: stream.id, read_key });
}

/** The stream that an earlier run saved, if the file is intact. */
function readSaved() {
  try {
    const { id, read_key } = JSON.parse(readFileSync(savedPath, "utf8"));
    return typeof id === "string" && typeof read_key === "string" ? { id, read_key } : undefined;
  } catch {
    return undefined;
  }
}

/** @param {{ id: string, read_key: string }} stream */
function save(stream) {
  mkdirSync(state, { recursive: true });
  writeFileSync(savedPath, `${JSON.stringify(stream)}\n`, { mode: 0o600 });
  return stream;
}

async function createStream() {
  const response = await asOwner("/v1/streams", { method: "POST", body: JSON.stringify({ name: "dev" }) });
  if (response.status !== 201) {
    // This may be the code under development: the server continues.
    console.error(`dev: no stream was created, the server answered ${response.status}: ${await response.text()}`);
    return undefined;
  }
  const { id, read_key } = await response.json();
  return save({ id, read_key });
}

/** Quotes a text for a shell. @param {string} text */
function quoted(text) {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
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
