// @ts-check
/**
 * Runs the Worker in index.js as during a deployment, when the edge is of one version and objects of another.
 * `/double/versions?mode=MODE` says what the other version has that this one does not: see `MODES`. See tools/serve.mjs.
 */

// @ts-expect-error The built Worker lies beside this file when both run.
import * as built from "./index.js";

/** @typedef {{ method: string, url: string, body: Uint8Array<ArrayBuffer> }} Call What the edge sends to an object. */
/** @typedef {{ status: number, body: Uint8Array<ArrayBuffer> }} Answer */

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);

/** @param {Uint8Array<ArrayBuffer>} body @param {(command: any) => void} change */
function changed(body, change) {
  const command = JSON.parse(new TextDecoder().decode(body));
  if (typeof command === "object") change(command);
  return bytes(JSON.stringify(command));
}

/**
 * The one write of a call as the version before sent it: `varint shards, text origin`, and a frame whose key is the hash of the key alone.
 * All lengths are of one byte here.
 * @param {Uint8Array<ArrayBuffer>} body
 */
function before(body) {
  const write = body.slice(2);
  const [, shards] = write;
  // Behind the class, and the texts of network, place and origin.
  let flagAt = 3;
  for (let texts = 0; texts < 3; texts += 1) flagAt += 1 + write[flagAt];
  if (write[flagAt] !== 1) return body;
  // The frame comes after the length of the body.
  const [earlier, frame] = [write.slice(flagAt + 1, flagAt + 17), write.slice(flagAt + 18)];
  let keyAt = 1;
  while (frame[keyAt] > 127) keyAt += 1;
  frame.set(earlier, keyAt + 2);
  return new Uint8Array([1, frame.length + 2, shards, 0, ...frame]);
}

/** @type {Record<string, { call?: (call: Call) => Partial<Call>, answer?: (answer: Answer) => Answer }>} */
const MODES = {
  same: {},
  /** All is older, so writes are known by their key alone: */
  before: { call: ({ method, body }) => (method === "POST" ? { body: before(body) } : {}) },
  /** The edge is newer: */
  command: { call: ({ method }) => (method === "PUT" ? { body: bytes('{"from_the_future":{"x":1}}') } : {}) },
  field: {
    call: ({ method, body }) =>
      method === "PUT"
        ? {
            body: changed(body, (command) => {
              Object.assign(command.patch ?? {}, { colour: "red" });
              Object.assign(command.create?.config ?? {}, { colour: "red" });
              Object.assign(command.read?.what.rollup ?? command.read?.what.totals ?? {}, { having: "x" });
              Object.assign(command.read?.what.live?.[0] ?? {}, { having: "x" });
              Object.assign(command.read?.what.label_values?.params ?? {}, { after: "x" });
            }),
          }
        : {},
  },
  frame: { call: ({ method }) => (method === "POST" ? { body: new Uint8Array([9, 9, 9]) } : {}) },
  write: { call: ({ method }) => (method === "POST" ? { body: new Uint8Array([1, 3, 0xff, 0xff, 0xff]) } : {}) },
  join: { call: ({ method, url }) => (method === "GET" ? { url: `${url.split("?")[0]}?from/the/future` } : {}) },
  /** The object is newer: */
  answer: { answer: ({ status, body }) => ({ status, body: status === 200 ? new Uint8Array([9, 9, 9]) : body }) },
  nothing: { answer: ({ status }) => ({ status, body: new Uint8Array() }) },
  refusal: { answer: () => ({ status: 409, body: bytes('{"from_the_future":"why"}') }) },
};

let mode = MODES.same;

/** @param {any} stub */
function between(stub) {
  return {
    /** @param {Request} request */
    async fetch(request) {
      const { method, url } = request;
      const call = { method, url, body: new Uint8Array(await request.arrayBuffer()) };
      const sent = { ...call, ...mode.call?.(call) };
      const body = method === "GET" ? undefined : sent.body;
      const response = await stub.fetch(new Request(sent.url, { method, headers: request.headers, body }));
      if (response.status === 101 && mode !== MODES.refusal) return response;
      const answer = { status: response.status, body: new Uint8Array(await response.arrayBuffer()) };
      const { status, body: said } = mode.answer?.(answer) ?? answer;
      return new Response(said, { status });
    },
  };
}

/** The Worker knows a binding by the name of its class. */
class DurableObjectNamespace {
  /** @param {any} namespace */
  constructor(namespace) {
    this.namespace = namespace;
  }

  /** @param {string} name */
  getByName(name) {
    return between(this.namespace.getByName(name));
  }
}

/** @param {any} env */
const mixed = (env) => ({ ...env, STREAMS: new DurableObjectNamespace(env.STREAMS) });

export const { Stream, Pacer } = built;

export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/double/versions") {
      mode = MODES[url.searchParams.get("mode") ?? ""];
      return new Response(null, { status: mode === undefined ? 404 : 204 });
    }
    const worker = built.default;
    return typeof worker === "function"
      ? new worker(ctx, mixed(env)).fetch(request)
      : worker.fetch(request, mixed(env), ctx);
  },
};
