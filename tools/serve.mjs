// @ts-check
/**
 * Serves build/ on workerd, the runtime of Cloudflare, without wrangler: it does not rebuild and watches no files. The
 * whole-system tests and the load measurements use it, and so can anyone who hosts Heartbeat.
 *
 *   node tools/serve.mjs [--port 8787] [--host 127.0.0.1] [--state .heartbeat] [--with-parent] [--control]
 *
 * The environment's PORT, HOST and STATE are the defaults. With --with-parent the server ends with the process that
 * started it. TRUSTED_PROXIES is the number of reverse proxies before it, TRUSTED_HEADER the header in which they pass
 * on a client's address; see docs/operating.md.
 *
 * Standard output is a protocol: one line `heartbeat ready on URL` as soon as requests are accepted, and with --control
 * one answer per command read from standard input:
 *   evict NAME  ->  `evicted NAME` or `evict failed: REASON`   (the object forgets everything that it did not store)
 * With --control the end of standard input stops the server, so that it never outlives the test that started it.
 * Everything that the Worker logs goes to standard error.
 */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isIPv6 } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";
import { parse as parseToml } from "smol-toml";
import { tellClients } from "./serve/clients.mjs";
import { lock } from "./serve/lock.mjs";

const ROOT = join(import.meta.dirname, "..");
const MODULES = { "index.js": "esm", "index_bg.wasm": "wasm" };
/** Longer than workerd needs to stop, and shorter than the sender of a signal waits. */
const STOP_MS = 1500;
/** How soon it notices the end of its parent. */
const PARENT_MS = 250;
/** Only processes of this machine can connect to these hosts, so each client is the proxy. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/i;

const options = readOptions();
/** @type {any} */
const config = parseToml(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
const heartbeat = heartbeatWorker();
await lockState();
guardWorkerd();
tellClients();
const miniflare = new Miniflare({
  workers: [heartbeat, assetsWorker()],
  // Miniflare's own socket runs every request through a JavaScript router, which costs more than half of the speed. Its
  // port stays unknown; the public one is heartbeat's direct socket.
  host: "127.0.0.1",
  port: 0,
  resourcePersistencePath: resolve(options.state),
  handleStructuredLogs: (/** @type {{ message: string }} */ { message }) => process.stderr.write(`${message}\n`),
  logRequests: false,
  // Both would connect elsewhere: to other dev servers on this machine, and to Cloudflare for a sample `cf`.
  enableDevRegistry: false,
  cf: false,
});

// In place of Miniflare's handlers, which exit with 128 + the signal's number and don't wait for workerd's end.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  process.removeAllListeners(signal).on(signal, stop);
}
if (options["with-parent"]) {
  const { ppid } = process;
  // An orphaned process gets another parent.
  setInterval(() => void (process.ppid !== ppid && stop()), PARENT_MS).unref();
}
try {
  await miniflare.ready;
  const url = await miniflare.unsafeGetDirectURL(heartbeat.config.name);
  console.log(`heartbeat ready on ${url.origin}`);
} catch (/** @type {any} */ error) {
  // A signal before this moment is not a failure: stop() is already running.
  if (error.code !== "ERR_DISPOSED") {
    fail(
      error.code === "ERR_ADDRESS_IN_USE"
        ? `port ${options.port} on ${options.host} is in use`
        : error.message.split("\n")[0],
    );
  }
}
if (options.control) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(await answer(line));
  }
  stop();
}

function readOptions() {
  const { PORT, HOST, STATE } = process.env;
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "" },
        host: { type: "string", default: "" },
        state: { type: "string", default: "" },
        "with-parent": { type: "boolean", default: false },
        control: { type: "boolean", default: false },
      },
    });
    // An empty value is an unset one, as in `make serve HOST=`.
    const port = wholeNumber("--port", values.port || PORT || "8787", 0, 65535);
    // In URLs an IPv6 address has brackets; sockets want it without.
    const host = (values.host || HOST || "127.0.0.1").replace(/^\[(.*)\]$/, (all, address) =>
      isIPv6(address) ? address : all,
    );
    return { ...values, host, port, state: values.state || STATE || ".heartbeat" };
  } catch (/** @type {any} */ error) {
    fail(error.message);
  }
}

async function lockState() {
  const folder = resolve(options.state);
  try {
    if (await lock(folder)) return;
  } catch (/** @type {any} */ error) {
    fail(`the folder ${folder} can't be locked: ${error.message}`);
  }
  fail(`another server uses the data in ${folder}; stop it, or choose another folder with STATE= (--state)`);
}

/** Miniflare starts what MINIFLARE_WORKERD_PATH names; ours becomes workerd, and ends with us. Windows has no sh. */
function guardWorkerd() {
  if (process.platform === "win32") return;
  const ofMiniflare = createRequire(import.meta.resolve("miniflare"));
  process.env.WORKERD = process.env.MINIFLARE_WORKERD_PATH ?? ofMiniflare("workerd").default;
  process.env.MINIFLARE_WORKERD_PATH = join(import.meta.dirname, "serve/workerd.sh");
}

/** The Worker as wrangler.toml describes it, but for its assets: with them Miniflare would put its router in front. */
function heartbeatWorker() {
  /** @type {{ name: string, class_name: string }[]} */
  const objects = config.durable_objects.bindings;
  /** @type {{ binding: string }[]} */
  const namespaces = config.kv_namespaces;
  return {
    config: {
      name: config.name,
      compatibilityDate: config.compatibility_date,
      compatibilityFlags: config.compatibility_flags,
      manifest: { modulesRoot: join(ROOT, "build"), ...aroundWorker(readModules()) },
      exports: Object.fromEntries(
        objects.map(({ class_name }) => [class_name, { type: "durable-object", storage: "sqlite" }]),
      ),
      env: {
        ...textBindings(),
        TRUSTED_PROXIES: { type: "text", value: String(trustedProxies()) },
        TRUSTED_HEADER: { type: "text", value: trustedHeader() },
        ...rateLimitBindings(),
        ...Object.fromEntries(
          objects.map(({ name, class_name }) => [
            name,
            { type: "durable-object", worker: config.name, exportName: class_name },
          ]),
        ),
        ...Object.fromEntries(namespaces.map(({ binding }) => [binding, { type: "kv", id: binding }])),
        [config.assets.binding]: { type: "worker", worker: `${config.name}-assets` },
      },
    },
    dev: { unsafeDirectSockets: [{ host: options.host, port: options.port }] },
  };
}

/** A Worker of assets only, reached through heartbeat's assets binding; here the rules in `_headers` apply. */
function assetsWorker() {
  return {
    config: {
      name: `${config.name}-assets`,
      compatibilityDate: config.compatibility_date,
      assets: { directory: join(ROOT, config.assets.directory) },
      // Never called, but Miniflare insists on code.
      manifest: { mainModule: "empty.js", modules: { "empty.js": { type: "esm", contents: "export default {}" } } },
    },
  };
}

function readModules() {
  if (!Object.keys(MODULES).every((name) => existsSync(join(ROOT, "build", name)))) {
    fail("there is no build in build/; run `make build`, which needs Rust, or copy the folder from a machine that has it");
  }
  if (!existsSync(join(ROOT, config.assets.directory, "heartbeat.js"))) {
    fail(`there is no ${config.assets.directory}/heartbeat.js; run \`node tools/build-browser.mjs\`, or serve with \`make serve\``);
  }
  return Object.fromEntries(
    Object.entries(MODULES).map(([name, type]) => {
      const bytes = readFileSync(join(ROOT, "build", name));
      return [name, { type, contents: type === "esm" ? bytes.toString() : new Uint8Array(bytes) }];
    }),
  );
}

/**
 * For tests, which put a module around the Worker: a double of the platform at its worst. HEARTBEAT_AROUND is its file;
 * it imports `./index.js`.
 *
 * @param {Record<string, any>} modules
 */
function aroundWorker(modules) {
  const file = process.env.HEARTBEAT_AROUND;
  if (file === undefined) {
    return { mainModule: "index.js", modules };
  }
  const around = { type: "esm", contents: readFileSync(join(ROOT, file), "utf8") };
  return { mainModule: "around.js", modules: { "around.js": around, ...modules } };
}

/**
 * Secrets and settings from the environment, which override wrangler.toml. Unset ones stay unset: the Worker itself
 * reports what it lacks.
 */
function textBindings() {
  const isOurs = (/** @type {string} */ name) =>
    config.secrets.required.includes(name) || Object.hasOwn(config.vars, name) || name.startsWith("HEARTBEAT_");
  const given = Object.fromEntries(Object.entries(process.env).filter(([name]) => isOurs(name)));
  return Object.fromEntries(
    Object.entries({ ...config.vars, ...given }).map(([name, value]) => [name, { type: "text", value }]),
  );
}

/**
 * How many reverse proxies each request comes through, and so how many entries of X-Forwarded-For are true. Unless the
 * environment says otherwise it is one where only this machine can connect, and none where others can.
 */
function trustedProxies() {
  const text = process.env.TRUSTED_PROXIES || (LOOPBACK.test(options.host) ? "1" : "0");
  return wholeNumber("TRUSTED_PROXIES", text, 0, 9);
}

/** The header with the client's address from a proxy, in place of X-Forwarded-For; empty: none. */
function trustedHeader() {
  const name = (process.env.TRUSTED_HEADER ?? "").trim();
  if (!/^[\w-]*$/.test(name)) {
    fail(`TRUSTED_HEADER takes the name of a header such as X-Real-IP, not "${name}"`);
  }
  return name;
}

/** Requests per period, only when the environment asks for a limit: load tests come from one address. */
function rateLimitBindings() {
  const text = process.env.HEARTBEAT_WRITE_LIMIT;
  if (text === undefined) {
    return {};
  }
  /** @type {{ name: string, namespace_id: string, simple: { period: 10 | 60 } }[]} */
  const limiters = config.ratelimits;
  const limit = wholeNumber("HEARTBEAT_WRITE_LIMIT", text, 1, 1_000_000);
  return Object.fromEntries(
    limiters.map(({ name, namespace_id, simple }) => [
      name,
      { type: "rate-limit", namespace: namespace_id, simple: { ...simple, limit } },
    ]),
  );
}

/** @param {string} line a command; @returns what to print */
async function answer(line) {
  const [, name] = line.match(/^evict (.+)$/) ?? [];
  if (name === undefined) {
    return `unknown command: ${line}`;
  }
  try {
    const [{ class_name }] = config.durable_objects.bindings;
    // Hibernation is what happens to an idle object in production: its memory goes, its WebSockets stay.
    await miniflare.unsafeEvictDurableObject(config.name, class_name, { name, webSockets: "hibernate" });
    return `evicted ${name}`;
  } catch (/** @type {any} */ error) {
    return `evict failed: ${error.message.replaceAll("\n", " ")}`;
  }
}

/** Acknowledged points are already on disk, so the only thing to wait for is workerd's end. */
function stop() {
  setTimeout(() => process.exit(0), STOP_MS).unref();
  miniflare.dispose().finally(() => process.exit(0));
}

/** @param {string} name @param {string} text @param {number} least @param {number} most */
function wholeNumber(name, text, least, most) {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most) {
    fail(`${name} takes a whole number from ${least} to ${most}, not "${text}"`);
  }
  return number;
}

/** @param {string} reason @returns {never} */
function fail(reason) {
  process.stderr.write(`serve: ${reason}\n`);
  process.exit(1);
}
