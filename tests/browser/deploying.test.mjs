// @ts-check
/** What `npx wrangler deploy` does with wrangler.toml as it is: on either plan, and without a read key in any log. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse } from "smol-toml";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** @type {any} */
const CONFIG = parse(await readFile(join(ROOT, "wrangler.toml"), "utf8"));

/** Why the Free plan refuses a setting, by developers.cloudflare.com; null for all other settings. */
const REFUSED = {
  // workers/platform/limits/: `CPU limits are not supported for the Free plan` [100328]; the same table has
  // `subrequests`.
  limits: (/** @type {any} */ limits) => limits !== undefined,
  // workers/observability/logs/logpush/
  logpush: (/** @type {any} */ logpush) => logpush === true,
  // workers/observability/logs/tail-workers/
  tail_consumers: isSome,
  streaming_tail_consumers: isSome,
  // cloudflare-for-platforms/workers-for-platforms/
  dispatch_namespaces: isSome,
  // containers/pricing/
  containers: isSome,
  // dynamic-workers/pricing/
  worker_loaders: isSome,
  // durable-objects/platform/pricing/: on Free, objects have SQLite.
  migrations: (/** @type {any} */ migrations) => migrations?.some((/** @type {any} */ one) => isSome(one.new_classes)),
  // workers/observability/exporting-opentelemetry-data/
  observability: (/** @type {any} */ { logs, traces } = {}) => isSome(logs?.destinations) || isSome(traces?.destinations),
  // workers/platform/limits/: five per account.
  triggers: (/** @type {any} */ { crons } = {}) => crons?.length > 5,
};

/** @param {any} all */
function isSome(all) {
  return all?.length > 0;
}

/** @param {any} config a deployment, with its environments */
function refused(config) {
  const all = [config, ...Object.values(config.env ?? {})];
  return Object.entries(REFUSED).filter(([name, isRefused]) => all.some((one) => isRefused(one[name]))).map(([name]) => name);
}

test("nothing of the default configuration needs the paid plan", () => {
  assert.deepEqual(refused(CONFIG), []);
});

test("settings that need the paid plan are documented", () => {
  for (const [name, value] of Object.entries({
    limits: { cpu_ms: 10 },
    logpush: true,
    tail_consumers: [{ service: "a" }],
    migrations: [{ tag: "v1", new_classes: ["Stream"] }],
    observability: { traces: { destinations: ["elsewhere"] } },
    triggers: { crons: ["0 0 * * *", "1 0 * * *", "2 0 * * *", "3 0 * * *", "4 0 * * *", "5 0 * * *"] },
  })) {
    assert.deepEqual(refused({ ...CONFIG, [name]: value }), [name]);
    assert.deepEqual(refused({ ...CONFIG, env: { production: { [name]: value } } }), [name]);
  }
});

test("logs have no query strings, and traces are off by default", () => {
  const { enabled, redact_query_string, logs, traces } = CONFIG.observability;
  assert.deepEqual([enabled, redact_query_string], [true, true]);
  assert.deepEqual([logs.enabled, logs.invocation_logs, traces.enabled], [true, false, false]);
  // An environment would have to repeat it: observability is inherited as a whole or not at all.
  for (const { observability } of Object.values(CONFIG.env ?? {})) assert.ok(observability?.redact_query_string ?? true);
});

test("wrangler takes the configuration without a warning", async () => {
  const outdir = await mkdtemp(join(tmpdir(), "heartbeat-deploy-"));
  try {
    const wrangler = join(ROOT, "node_modules/.bin/wrangler");
    const env = { ...process.env, PATH: `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" };
    const { stdout, stderr } = await promisify(execFile)(wrangler, ["deploy", "--dry-run", "--outdir", outdir], { cwd: ROOT, env });
    assert.match(stdout, /--dry-run: exiting now/);
    assert.doesNotMatch(stdout + stderr, /warning|unexpected field|deprecated/i);
  } finally {
    await rm(outdir, { recursive: true, force: true });
  }
});
