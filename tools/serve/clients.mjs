// @ts-check
/**
 * Lets workerd tell the Worker who a client is: `request.cf.clientIp`, the address of the socket.
 *
 * workerd does so unless a socket has an option `cfBlobHeader`. Miniflare gives it to all, as its own router writes
 * `request.cf` into that header; on a socket without the router that would be whatever a stranger writes there. Miniflare has no
 * option for it, so the option is taken out of the configuration on its way to workerd.
 */

import childProcess from "node:child_process";

/** The value of the option. */
const HEADER = "MF-CF-Blob";
const WORD_BYTES = 8;

/** From now on; to be called before Miniflare starts workerd. */
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
 * A configuration of workerd in which no socket has the option: in Cap'n Proto's encoding, each pointer to a text with the header's
 * name is made null. See https://capnproto.org/encoding.html.
 *
 * @param {Buffer} config
 */
export function withoutHeader(config) {
  const text = Buffer.from(`${HEADER}\0`);
  const texts = new Set();
  for (let at = config.indexOf(text); at >= 0; at = config.indexOf(text, at + 1)) {
    if (at % WORD_BYTES === 0) texts.add(at);
  }
  // The upper half of a pointer to a list of so many bytes.
  const upper = (text.length << 3) | 2;
  for (let at = 0; at + WORD_BYTES <= config.length; at += WORD_BYTES) {
    if (config.readUInt32LE(at + 4) === upper && (config[at] & 3) === 1) {
      const target = at + WORD_BYTES + (config.readInt32LE(at) >> 2) * WORD_BYTES;
      if (texts.delete(target)) config.fill(0, at, at + WORD_BYTES);
    }
  }
  if (texts.size > 0) {
    throw new Error(`the configuration of workerd is of another form: ${HEADER} is still in it`);
  }
  return config;
}
