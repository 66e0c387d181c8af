// @ts-check
/**
 * A gateway between pages and the Worker: it passes everything on, records each request, and fails when a test wants it
 * to. A test sees the requests themselves, and the Worker may restart behind a fixed address.
 */

import { once } from "node:events";
import { createServer, request as forward } from "node:http";

/** @typedef {Awaited<ReturnType<typeof startGateway>>} Gateway */
/**
 * @typedef {{ method: string, path: string, batch: string | null, key: string | null, type: string | undefined, body:
 *   string, points: any[], status: number, mode: string, at_ms: number }} Seen
 */
/** @import { IncomingMessage, ServerResponse } from "node:http" */

/**
 * How a write is treated: passed on, refused with a status and headers, cut off before the Worker has it, or cut off
 * when the Worker has stored it, so that the writer cannot know.
 * @typedef {"pass" | "cut" | "swallow" | { status: number, headers: Record<string, string> }} Mood
 */

/** @param {() => string} upstream where the Worker is at the moment */
export async function startGateway(upstream) {
  let mood = /** @type {Mood} */ ("pass");
  const seen = /** @type {Seen[]} */ ([]);

  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const now = mood;
    const url = new URL(request.url ?? "/", "http://gateway");
    if (!url.pathname.endsWith("/points")) return pass(request, body, response, upstream());

    const { method = "" } = request;
    const type = request.headers["content-type"];
    const text = body.toString();
    const one = {
      method,
      path: url.pathname,
      batch: url.searchParams.get("batch"),
      key: url.searchParams.get("key"),
      type,
      body: text,
      points: pointsOf(text),
      status: 0,
      mode: String(request.headers["sec-fetch-mode"]),
      at_ms: performance.now(),
    };
    seen.push(one);
    if (now === "cut") return request.socket.destroy();
    if (typeof now === "object") {
      one.status = now.status;
      const headers = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After", ...now.headers };
      return response.writeHead(now.status, headers).end();
    }
    await pass(request, body, now === "swallow" ? null : response, upstream()).then(
      (status) => (one.status = status),
      () => request.socket.destroy(),
    );
    if (now === "swallow") request.socket.destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

  return {
    origin: `http://127.0.0.1:${port}`,
    /** The writes so far, in the order of their arrival. */
    seen,
    /** All points so far; those of a batch that came again count once. */
    points: () => [...new Map(seen.map((one) => [one.batch ?? one, one.points])).values()].flat(),
    /** @param {Mood} next */
    set: (next) => void (mood = next),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** @param {IncomingMessage} request */
async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** @param {string} text */
function pointsOf(text) {
  try {
    return [JSON.parse(text)].flat();
  } catch {
    return [];
  }
}

/**
 * @param {IncomingMessage} request
 * @param {Buffer} body
 * @param {ServerResponse | null} response null where nobody gets the answer
 * @param {string} upstream
 * @returns {Promise<number>} the status
 */
async function pass({ method, url, headers }, body, response, upstream) {
  // A connection that is kept may end as the next request begins.
  const onward = forward(new URL(url ?? "/", upstream), { method, headers, agent: false }).end(body);
  const [answer] = await once(onward, "response");
  const text = await bodyOf(answer);
  response?.writeHead(answer.statusCode, answer.headers).end(text);
  return answer.statusCode;
}
