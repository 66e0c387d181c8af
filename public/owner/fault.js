// @ts-check
/** The field of the form that a refusal is about, and advice for a problem that is about none. Pure. */

import { FIELDS, TIERS } from "./config.js";

/** @import { Problem } from "../live/problem.mjs" */

/** @typedef {{ field: string, message: string }} FieldFault */

/**
 * @typedef {object} Advice
 * @property {string} title
 * @property {string} detail the server's words
 * @property {string} advice what to do
 * @property {string} command to run in a shell; empty where there is none
 * @property {string} type a link to what the problem means
 */

/**
 * The field that a refusal is about, if the form has it. The server quotes names in backticks: `` `1d` in `retention`
 * ``, `` `forward.policy.max_delay` ``.
 * @param {Problem} problem
 * @returns {FieldFault | null}
 */
export function fieldFault({ status, detail }) {
  if (status !== 400 && status !== 409) return null;
  const names = Array.from(detail.matchAll(/`([^`]+)`/g), ([, name]) => name);
  const tier = names.find((name) => name === "messages" || TIERS.some((known) => known === name));
  const field = tier ? `retention.${tier}` : names.map(aliased).find((name) => FIELDS.includes(name));
  return field ? { field, message: sentence(detail) } : null;
}

/** The first field of a group that a refusal names. @param {string} name */
function aliased(name) {
  // The server may name a place within a field: `accept.labels.path.pattern`.
  const [whole] = /^(accept|limits)(?=\.)/.exec(name) ?? [];
  if (whole) return whole;
  return { retention: "retention.10s", forward: "forward.dialect", "forward.policy": "forward.policy.max_delay", carbon: "carbon.host" }[name] ?? name;
}

/**
 * @param {Problem} problem
 * @returns {Advice}
 */
export function adviceOf(problem) {
  const { status, title, detail, type } = problem;
  const kind = type.split("#")[1] ?? "";
  const [heading, advice, command] = KINDS[kind] ?? (status === 0 ? KINDS.silent : OTHERS);
  return { title: heading || title, detail, advice, command, type };
}

/** Title (empty: the server's), what to do, command. @type {Record<string, [string, string, string]>} */
const KINDS = {
  unauthorized: [
    "This is not the owner token",
    "Compare it with the OWNER_TOKEN of this deployment. A read key (rk_…) opens the dashboard, not this page. If the token is lost, the operator of the deployment can set a new one:",
    "npx wrangler secret put OWNER_TOKEN",
  ],
  "creating-disabled": [
    "This deployment has no owner token yet",
    "Nobody can create or manage streams until its operator sets one, such as the output of openssl rand -hex 32. Then sign in with it:",
    "npx wrangler secret put OWNER_TOKEN",
  ],
  "not-configured": [
    "This deployment has no signing key yet",
    "Streams get their ids from it. The operator sets it once and keeps it: a new key invalidates all ids.",
    "npx wrangler secret put SIGNING_KEY",
  ],
  "not-found": ["No such stream", "It was deleted, or the deployment's SIGNING_KEY has changed since it was created.", ""],
  unavailable: ["", "Send it again: that finishes what was only half done.", ""],
  "rate-limited": ["", "Wait a few seconds, then try again.", ""],
  silent: ["No answer from the server", "Check the connection, then try again.", ""],
};

/** @type {[string, string, string]} */
const OTHERS = ["", "Try again. If it keeps failing, see the Worker's log.", ""];

/** The server's words, to be shown beside their field: they call it "it". @param {string} detail */
export function sentence(detail) {
  const text = detail.replace(/^`(?:accept|limits)\.([^`]+)`/, "$1").replace(/^`[\w.]+`: /, "").replace(/^`[\w.]+` (?!in )/, "it ").replaceAll("`", "");
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? "" : ".");
}
