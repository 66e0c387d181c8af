// @ts-check
/**
 * Serves one of the baselines that `make bench` measures Heartbeat against, the same way as tools/serve.mjs serves
 * Heartbeat: Miniflare with a direct socket.
 *
 *   node benches/baselines/serve.mjs NAME [--port 0] [--state FOLDER]
 *
 * NAME is that of a file beside this one: noop, json-parse or row-per-point. Standard output gets one line
 * `NAME ready on URL`; the end of standard input stops the server.
 */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";
import { parse as parseToml } from "smol-toml";

const ROOT = join(import.meta.dirname, "../..");
/** Those that have an object, and its class. */
const OBJECTS = /** @type {Record<string, string>} */ ({ "row-per-point": "Rows" });

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string", default: "0" }, state: { type: "string", default: "target/baselines" } },
});
const [name] = positionals;
const object = OBJECTS[name];
/** @type {any} */
const config = parseToml(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
const contents = readFileSync(join(import.meta.dirname, `${name}.js`), "utf8");
const miniflare = new Miniflare({
  workers: [
    {
      config: {
        name,
        compatibilityDate: config.compatibility_date,
        compatibilityFlags: config.compatibility_flags,
        manifest: { mainModule: "index.js", modules: { "index.js": { type: "esm", contents } } },
        exports: object ? { [object]: { type: "durable-object", storage: "sqlite" } } : {},
        env: object ? { OBJECTS: { type: "durable-object", worker: name, exportName: object } } : {},
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

function stop() {
  setTimeout(() => process.exit(0), 1500).unref();
  miniflare.dispose().finally(() => process.exit(0));
}
