// @ts-check
/** A site of another origin, with the strictest policy that allows charts of a deployment. */

import { once } from "node:events";
import { createServer } from "node:http";

/** @param {string} host the deployment's origin */
export async function startSite(host) {
  let html = "";
  const policy = `default-src 'none'; script-src ${host}; connect-src ${host} ${host.replace(/^http/, "ws")}; require-trusted-types-for 'script'; trusted-types 'none'`;
  const server = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html", "Content-Security-Policy": policy }).end(html));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

  /** The page for the next visitor. @param {string} body */
  function show(body, head = `<script type="module" src="${host}/heartbeat-chart.mjs"></script>`) {
    html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A site</title>${head}</head><body><main><h1>A site</h1>${body}</main></body></html>`;
  }

  /** @param {typeof server} of */
  const close = (of) => void (of.close(), of.closeAllConnections());
  return { url: `http://127.0.0.1:${port}/`, show, stop: () => close(server) };
}
