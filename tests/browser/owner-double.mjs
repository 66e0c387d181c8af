// @ts-check
/**
 * A double of the server for the owner's questions about writers and removal: it answers as docs/api.md says, in states
 * that a real one reaches only after hours of traffic, and records each request. All else goes to the real server.
 */

/** @import { Page, Route } from "playwright-core" */
/** @import { Bound } from "../../public/owner/words.js" */
/** @import { WriteKey, Writers, Removed } from "../../public/owner/api.js" */

export const KEY = "wk_pdjv4bq2c7sx3ynr5teu6hgkam";

/** @typedef {Awaited<ReturnType<typeof pretend>>} Double */

/** @param {Page} page @param {string} id */
export async function pretend(page, id) {
  const now_s = Date.now() / 1000;
  const state = {
    config: /** @type {Record<string, any>} */ ({ writers: "open", accept: null, blocked: { networks: [], origins: [] } }),
    keys: /** @type {WriteKey[]} */ ([]),
    writers: /** @type {Writers} */ ({ since: now_s - 3600, window: "1h", networks: [], origins: [], keys: [] }),
    bounds: /** @type {Bound[]} */ ([]),
    /** The answers of a removal, step by step. */
    steps: /** @type {(Removed | number)[]} */ ([]),
    /** The requests, as `METHOD path?query`, with their bodies. */
    asked: /** @type {{ what: string, body: any }[]} */ ([]),
    /** A refusal in place of the next answer. */
    refusal: /** @type {{ status: number, detail: string } | null} */ (null),
  };

  await page.route(new RegExp(`/v1/streams/${id}(/write-keys.*|/writers.*|/points.*|/status)?$`), async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    const leaf = url.pathname.split("/").slice(4).join("/");
    const method = request.method();
    const body = request.postDataJSON();
    if (leaf === "status") return more(route, { bounds: state.bounds });
    state.asked.push({ what: `${method} ${leaf}${url.search}`, body });
    if (method !== "GET" && state.refusal) {
      const { status, detail } = state.refusal;
      state.refusal = null;
      return problem(route, status, detail);
    }
    if (leaf === "" && method === "PATCH") return patch(route, body);
    if (leaf === "") return more(route, state.config);
    if (leaf.startsWith("write-keys")) return keys(route, method, leaf.split("/")[1], body);
    if (leaf === "writers") return route.fulfill({ json: { ...state.writers, window: url.searchParams.get("window") } });
    const step = state.steps.shift() ?? { points: 0, series: 0, bytes: 0 };
    if (typeof step === "number") return problem(route, step, "for a moment");
    return route.fulfill({ status: step.cursor ? 202 : 200, json: step });
  });

  /** @param {Route} route @param {Record<string, any>} body */
  async function patch(route, { writers, accept, blocked, ...rest }) {
    if (writers !== undefined) state.config.writers = writers;
    if (accept !== undefined) state.config.accept = accept;
    if (blocked !== undefined) state.config.blocked = { ...state.config.blocked, ...blocked };
    const response = await route.fetch({ postData: JSON.stringify(rest) });
    await route.fulfill({ response, json: { ...(await response.json()), ...state.config } });
  }

  /** @param {Route} route @param {string} method @param {string | undefined} key @param {any} body */
  function keys(route, method, key, body) {
    if (method === "GET") return route.fulfill({ json: { write_keys: state.keys } });
    if (method === "DELETE") {
      state.keys = state.keys.filter(({ id }) => id !== key);
      return route.fulfill({ status: 204 });
    }
    const made = { id: String(state.keys.length + 1).padStart(16, "0"), name: body.name, created: Date.now() / 1000 };
    state.keys.push({ ...made, last_used: null });
    return route.fulfill({ status: 201, json: { ...made, write_key: KEY } });
  }

  return state;
}

/** The real answer with more in it. @param {Route} route @param {object} fields */
async function more(route, fields) {
  const response = await route.fetch();
  await route.fulfill(response.ok() ? { response, json: { ...(await response.json()), ...fields } } : { response });
}

/** @param {Route} route @param {number} status @param {string} detail */
function problem(route, status, detail) {
  const type = status === 401 ? "/problems#unauthorized" : status === 409 ? "/problems#conflict" : status === 503 ? "/problems#unavailable" : "/problems#invalid-request";
  return route.fulfill({ status, contentType: "application/problem+json", body: JSON.stringify({ type, title: "A refusal", status, detail }) });
}
