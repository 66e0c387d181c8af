// @ts-check
/** The form that creates a stream, and the one that changes its configuration. A refusal appears at its field. */

import { Problem } from "../live/problem.mjs";
import { find, setText } from "../chart/dom.mjs";
import { FIELDS, bodyOf, empty } from "./config.js";
import { summaries } from "./config-words.js";
import { fieldFault } from "./fault.js";
import { mountField } from "./field.js";
import { problemIn } from "./problem-view.js";

/** @import { Config, Typed } from "./config.js" */
/** @import { FieldFault } from "./fault.js" */

/** For ids that are unique in the document, which has the form twice. */
let forms = 0;

/**
 * @param {HTMLFormElement} el
 * @param {object} needs
 * @param {string} needs.action the button's text
 * @param {(body: Record<string, any>) => Promise<string>} needs.send says what was done; empty where nothing was
 */
export function mountConfigForm(el, { action, send }) {
  const prefix = `config-${++forms}`;
  el.append(find(document, "#config", HTMLTemplateElement).content.cloneNode(true));
  const button = find(el, "[name=submit]", HTMLButtonElement);
  const answer = find(el, ".answer", HTMLElement);
  const problem = problemIn(el);
  const upstream = find(el, ".upstream", HTMLElement);
  const kept = find(el, ".kept", HTMLElement);
  const fields = new Map(FIELDS.map((name) => [name, mountField(find(el, `[data-field="${name}"]`, HTMLElement), `${prefix}-${name}`)]));
  const dialect = field("forward.dialect").input;
  let before = /** @type {Config | undefined} */ (undefined);
  setText(button, action);

  dialect.addEventListener("change", () => (upstream.hidden = dialect.value === ""));
  el.addEventListener("input", () => {
    setText(answer, "");
    summarize();
  });
  el.addEventListener("submit", async (event) => {
    event.preventDefault();
    complain(null);
    const attempt = bodyOf(typed(), before);
    if ("fault" in attempt) return complain(attempt.fault);
    button.disabled = true;
    setText(answer, "One moment…");
    try {
      setText(answer, await send(attempt.body));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setText(answer, "");
      const fault = fieldFault(error);
      if (fault) complain(fault);
      else problem.update(error);
    } finally {
      button.disabled = false;
    }
  });

  /** @param {string} name */
  function field(name) {
    const found = fields.get(name);
    if (!found) throw new Error(`no field ${name}`);
    return found;
  }

  /** @returns {Typed} */
  function typed() {
    return { ...empty(), ...Object.fromEntries(Array.from(fields, ([name, { read }]) => [name, read()])) };
  }

  function summarize() {
    for (const [name, text] of Object.entries(summaries(typed()))) setText(find(el, `[data-summary=${name}]`, HTMLElement), text);
  }

  /** @param {FieldFault | null} fault */
  function complain(fault) {
    problem.update(null);
    for (const [name, { complain }] of fields) complain(fault?.field === name ? fault.message : "");
    if (!fault) return;
    const { input } = field(fault.field);
    for (let group = input.closest("details"); group; group = group.parentElement?.closest("details") ?? null) group.open = true;
    input.focus();
  }

  /** @param {Typed} values @param {Config} [config] the one to change; absent for a new stream */
  function update(values, config) {
    before = config;
    for (const [name, { write }] of fields) write(values[name] ?? "");
    upstream.hidden = dialect.value === "";
    kept.hidden = !config?.forward;
    summarize();
    complain(null);
    setText(answer, "");
    if (!config) fold((group) => Array.from(fields).some(([name, { input, read }]) => name !== "name" && group.contains(input) && read() !== ""));
  }

  /**
   * Opens and closes groups: in the form of a new stream, those with something in them are open.
   * @param {(group: HTMLDetailsElement) => boolean} isOpen
   */
  function fold(isOpen) {
    for (const group of el.querySelectorAll("details")) group.open = isOpen(group);
  }

  return { update, fold: () => fold(() => false) };
}
