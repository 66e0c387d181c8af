// @ts-check
/**
 * Serves one of the baselines that `make bench` measures Heartbeat against, the same way as tools/serve.mjs serves
 * Heartbeat: Miniflare with a direct socket.
 *
 *   node benches/baselines/serve.mjs NAME [--port 0] [--state FOLDER] [--count]
 *
 * NAME is that of a file beside this one: noop, json-parse or row-per-point. With --count what count.js counts can be
 * asked for, at the cost of speed; then NAME may also be heartbeat. Standard output gets one line
 * `NAME ready on URL`; the end of standard input stops the server.
 */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";
import { parse as parseToml } from "smol-toml";

const ROOT = join(import.meta.dirname, "../..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string", default: "0" },
    state: { type: "string", default: "target/baselines" },
    count: { type: "boolean", default: false },
  },
});
const [name] = positionals;
/** @type {any} */
const config = parseToml(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
const { modules, object, binding, env } = name === config.name ? heartbeat() : baseline();
const miniflare = new Miniflare({
  workers: [
    {
      config: {
        name,
        compatibilityDate: config.compatibility_date,
        compatibilityFlags: config.compatibility_flags,
        manifest: values.count
          ? { mainModule: "count.js", modules: { "count.js": script(import.meta.dirname, "count.js"), ...modules } }
          : { mainModule: "index.js", modules },
        exports: object ? { [object]: { type: "durable-object", storage: "sqlite" } } : {},
        env: { ...env, ...(object ? { [binding]: { type: "durable-object", worker: name, exportName: object } } : {}) },
      },
      dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: Number(values.port) }] },
    },
  ],
  host: "127.0.0.1",
  port: 0,
  resourcePersistencePath: resolve(values.state),
  logRequests: false,
  enableDevRegistry: false,
  cf: false,
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.removeAllListeners(signal).on(signal, stop);
}
process.stdin.on("end", stop).resume();
await miniflare.ready;
console.log(`${name} ready on ${(await miniflare.unsafeGetDirectURL(name)).origin}`);

function baseline() {
  return {
    modules: { "index.js": script(import.meta.dirname, `${name}.js`) },
    object: name === "row-per-point" ? "Rows" : undefined,
    binding: "OBJECTS",
    env: {},
  };
}

/** Without assets and limits, which no load of a bench meets. */
function heartbeat() {
  const build = join(ROOT, "build");
  const [{ name: binding, class_name: object }] = config.durable_objects.bindings;
  const [{ binding: directory }] = config.kv_namespaces;
  /** @type {string[]} */
  const secrets = config.secrets.required;
  return {
    modules: {
      "index.js": script(build, "index.js"),
      "index_bg.wasm": { type: "wasm", contents: new Uint8Array(readFileSync(join(build, "index_bg.wasm"))) },
    },
    object,
    binding,
    env: {
      [directory]: { type: "kv", id: directory },
      ...Object.fromEntries(secrets.map((secret) => [secret, { type: "text", value: process.env[secret] }])),
    },
  };
}

/** @param {string} folder @param {string} file */
function script(folder, file) {
  return { type: "esm", contents: readFileSync(join(folder, file), "utf8") };
}

function stop() {
  setTimeout(() => process.exit(0), 1500).unref();
  miniflare.dispose().finally(() => process.exit(0));
}
