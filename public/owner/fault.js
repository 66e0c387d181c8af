// @ts-check
/** Which field of the form a refusal is about, and what to do about a problem that is about none. Pure. */

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
 * The field that a refused configuration is about, if the form has it: the server quotes names in backticks, such as
 * `` `1d` in `retention` `` and `` `forward.policy.max_delay` ``.
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

/** A name that stands for a group of fields leads to its first. @param {string} name */
function aliased(name) {
  // The place is somewhere within the one field: `accept.labels.path.pattern`.
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
    "Compare it with the OWNER_TOKEN of this deployment. A read key (rk_…) opens the dashboard, not this page. If the token is lost, whoever runs the deployment sets a new one:",
    "npx wrangler secret put OWNER_TOKEN",
  ],
  "creating-disabled": [
    "This deployment has no owner token yet",
    "Nobody can create or manage streams until whoever runs it sets one, such as a long random text from openssl rand -hex 32. Then sign in with it:",
    "npx wrangler secret put OWNER_TOKEN",
  ],
  "not-configured": [
    "This deployment has no signing key yet",
    "Streams get their ids from it. Whoever runs the deployment sets it once and keeps it: a new one ends all ids.",
    "npx wrangler secret put SIGNING_KEY",
  ],
  "not-found": ["No such stream", "It was deleted, or the deployment has another SIGNING_KEY than when it was created.", ""],
  unavailable: ["", "Send it again: what was half done is finished then.", ""],
  "rate-limited": ["", "Wait some seconds, then try again.", ""],
  silent: ["No answer from the server", "Check the connection, then try again.", ""],
};

/** @type {[string, string, string]} */
const OTHERS = ["", "Try again; if it stays so, the Worker's log tells more.", ""];

/** The server's words beside the field: its own name is "it" there. @param {string} detail */
export function sentence(detail) {
  const text = detail.replace(/^`(?:accept|limits)\.([^`]+)`/, "$1").replace(/^`[\w.]+`: /, "").replace(/^`[\w.]+` (?!in )/, "it ").replaceAll("`", "");
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? "" : ".");
}
