// @ts-check
/**
 * Runs the Worker in index.js with KV as the platform has it and workerd has not: a key takes one write a second, what comes
 * sooner is rejected. `/double/kv?away=true` takes KV away altogether, until it is called with `false` or all starts anew.
 * See tools/serve.mjs.
 */

// @ts-expect-error The built Worker lies beside this file when both run.
import * as built from "./index.js";

const WRITE_MS = 1000;
/** @type {Map<string, number>} When each key was written last. */
const written = new Map();
let isAway = false;

/** @param {any} kv */
function limited(kv) {
  const present = (/** @type {string} */ name) => async (/** @type {any[]} */ ...args) => {
    if (isAway) throw new Error(`KV ${name} failed: 500 Internal Server Error`);
    return kv[name](...args);
  };
  const once = (/** @type {string} */ name) => async (/** @type {any[]} */ ...args) => {
    const now = Date.now();
    if (now - (written.get(args[0]) ?? 0) < WRITE_MS) throw new Error(`KV ${name} failed: 429 Too Many Requests`);
    written.set(args[0], now);
    return present(name)(...args);
  };
  return {
    get: present("get"),
    getWithMetadata: present("getWithMetadata"),
    list: present("list"),
    put: once("put"),
    delete: once("delete"),
  };
}

/** @param {any} env */
const withKv = (env) => ({ ...env, DIRECTORY: limited(env.DIRECTORY) });

export class Stream extends built.Stream {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, withKv(env));
  }
}

export const { Pacer } = built;

export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/double/kv") {
      isAway = url.searchParams.get("away") === "true";
      return new Response(null, { status: 204 });
    }
    const worker = built.default;
    return typeof worker === "function"
      ? new worker(ctx, withKv(env)).fetch(request)
      : worker.fetch(request, withKv(env), ctx);
  },
};
