// @ts-check
/**
 * Makes workerd pass the address of a client to the Worker, as `request.cf.clientIp`.
 *
 * workerd does so unless a socket has an option `cfBlobHeader`. Miniflare gives that option to all sockets, as its own
 * router writes `request.cf` into the header; on a socket without the router, a stranger could write anything there.
 * Miniflare can't leave it out, so this module removes it from the configuration on its way to workerd.
 */

import childProcess from "node:child_process";

/** The value of the option. */
const HEADER = "MF-CF-Blob";
const WORD_BYTES = 8;

/** Call it before Miniflare starts workerd. */
export function tellClients() {
  const { spawn } = childProcess;
  // The same object is Miniflare's.
  childProcess.spawn = /** @type {any} */ (
    (/** @type {string} */ command, /** @type {string[]} */ args, /** @type {any} */ options) => {
      const child = spawn(command, args, options);
      if (Array.isArray(args) && args[0] === "serve" && args.includes("--binary") && child.stdin) {
        const write = child.stdin.write.bind(child.stdin);
        child.stdin.write = (/** @type {Uint8Array} */ config) => write(withoutHeader(Buffer.from(config)));
      }
      return child;
    }
  );
}

/**
 * A configuration of workerd in which no socket has the option: each pointer to a string with the header's name becomes
 * null, in Cap'n Proto's encoding (https://capnproto.org/encoding.html).
 *
 * @param {Buffer} config
 */
export function withoutHeader(config) {
  const text = Buffer.from(`${HEADER}\0`);
  const texts = new Set();
  for (let at = config.indexOf(text); at >= 0; at = config.indexOf(text, at + 1)) {
    if (at % WORD_BYTES === 0) texts.add(at);
  }
  // The upper half of a pointer to a list of that many bytes.
  const upper = (text.length << 3) | 2;
  for (let at = 0; at + WORD_BYTES <= config.length; at += WORD_BYTES) {
    if (config.readUInt32LE(at + 4) === upper && (config[at] & 3) === 1) {
      const target = at + WORD_BYTES + (config.readInt32LE(at) >> 2) * WORD_BYTES;
      if (texts.delete(target)) config.fill(0, at, at + WORD_BYTES);
    }
  }
  if (texts.size > 0) {
    throw new Error(`the configuration of workerd has an unknown form: ${HEADER} is still in it`);
  }
  return config;
}
