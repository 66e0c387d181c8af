// @ts-check
/** A site with an origin of its own, and with the pages that a test gives it: by path, with headers. */

import { once } from "node:events";
import { createServer } from "node:http";

/** @typedef {Awaited<ReturnType<typeof startSite>>} Site */
/** @typedef {{ html?: string, script?: string, headers?: Record<string, string> }} Page */

export async function startSite() {
  const pages = /** @type {Map<string, Page>} */ (new Map());
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://site");
    const page = pages.get(pathname);
    if (page === undefined) return response.writeHead(404).end();
    const type = page.script === undefined ? "text/html; charset=utf-8" : "text/javascript";
    response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-cache", ...page.headers });
    response.end(page.script ?? `<!doctype html><link rel="icon" href="data:,"><title>A site</title>${page.html}`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

  return {
    origin: `http://127.0.0.1:${port}`,
    /** @param {string} path @param {Page} page */
    put: (path, page) => void pages.set(path, page),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
