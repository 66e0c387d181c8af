// @ts-check
/** Removes points: first a dry run, then a question, then step by step until all are gone. */

import { Problem, isRetried } from "../live/problem.mjs";
import { find, setText } from "../chart/dom.mjs";
import { sentence } from "./fault.js";
import { mountField } from "./field.js";
import { problemIn } from "./problem-view.js";
import { bytes, plural } from "./words.js";

/** @import { Removed } from "./api.js" */
/** @import { Question } from "./dialog.js" */

const FIELDS = ["where", "from", "to"];
/** How many steps in a row may fail before the page says so; the server continues on its own. */
const MAX_FAILURES = 5;
/** How many steps in a row may remove nothing, each after a pause: two minutes. */
const MAX_IDLE_STEPS = 120;
const PAUSE_MS = 1000;

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {typeof import("./api.js")} needs.api
 * @param {() => string} needs.token
 * @param {(question: Question) => void} needs.ask
 * @param {(problem: Problem) => boolean} needs.onrefused
 */
export function mountRemoval(el, { api, token, ask, onrefused }) {
  const form = find(el, "form", HTMLFormElement);
  const fields = new Map(FIELDS.map((name) => [name, mountField(find(el, `[data-field="${name}"]`, HTMLElement), `removal-${name}`)]));
  const look = find(el, "[name=look]", HTMLButtonElement);
  const remove = find(el, "[name=remove]", HTMLButtonElement);
  const answer = find(el, ".answer", HTMLElement);
  const progress = find(el, "progress", HTMLProgressElement);
  const problem = problemIn(el);
  /** The visit of a stream: what began at another one is not shown here, though it may be of the same stream. */
  let here = { id: "" };
  /** The result of the dry run: only what it counted is removed. */
  let seen = /** @type {{ what: URLSearchParams, removed: Removed } | null} */ (null);

  form.addEventListener("input", () => see(null, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    see(null, "One moment…");
    const what = typed();
    await attempt(async (mine) => {
      const removed = await finish(mine, what, await api.removePoints(token(), mine.id, what, { isDry: true }), true);
      if (removed) see({ what, removed }, removed.points ? `${words(removed)} would be removed.` : "No point matches.");
    });
  });
  remove.addEventListener("click", () => seen && ask(question(seen)));

  /** Turns to a stream, and clears what is shown of another one. @param {string} next */
  function turn(next) {
    here = { id: next };
    for (const { write } of fields.values()) write("");
    complain(null);
    see(null, "");
    progress.hidden = true;
    look.disabled = false;
  }

  /** @param {typeof seen} next @param {string} said */
  function see(next, said) {
    seen = next;
    remove.hidden = !next?.removed.points;
    setText(answer, said);
  }

  function typed() {
    const value = (/** @type {string} */ name) => fields.get(name)?.read() ?? "";
    const where = value("where").split("\n").map((line) => line.trim()).filter(Boolean).map((line) => ["where", line]);
    return new URLSearchParams([...where, ...["from", "to"].map((name) => [name, value(name)]).filter(([, text]) => text)]);
  }

  /** Acts, and shows a problem at its field, or in this panel. @param {(mine: typeof here) => Promise<void>} act */
  async function attempt(act) {
    const mine = here;
    complain(null);
    look.disabled = true;
    try {
      await act(mine);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine !== here || onrefused(error)) return;
      see(null, "");
      complain(error);
    } finally {
      if (mine === here) {
        look.disabled = false;
        progress.hidden = true;
      }
    }
  }

  /** @param {Problem | null} refused */
  function complain(refused) {
    const name = refused?.status === 400 && FIELDS.find((one) => refused.detail.includes(`\`${one}\``));
    for (const [one, { complain }] of fields) complain(refused && one === name ? sentence(refused.detail) : "");
    if (name) fields.get(name)?.input.focus();
    problem.update(name ? null : refused);
  }

  /** @param {NonNullable<typeof seen>} looked @returns {Question} */
  function question({ what, removed }) {
    const mine = here;
    return {
      title: [`Remove ${plural(removed.points, "point")}?`],
      said: [
        `${words(removed)} are removed from all steps, totals, counts and messages, permanently and for everybody.`,
        `Conditions: ${Array.from(what, ([name, value]) => `${name} ${value}`).join(", ")}.`,
        "Copies that were sent on already, to an upstream or to carbon, stay there.",
      ],
      confirm: "Remove permanently",
      async act() {
        const first = await api.removePoints(token(), mine.id, what);
        // The dialog has its answer; the panel shows the progress.
        setTimeout(() => mine === here && goOn(what, first, removed.points));
      },
    };
  }

  /** @param {URLSearchParams} what @param {Removed} first @param {number} expected */
  async function goOn(what, first, expected) {
    progress.max = Math.max(expected, 1);
    see(null, "Removing…");
    answer.focus();
    await attempt(async (mine) => {
      const removed = await finish(mine, what, first, false);
      if (removed) see(null, `${words(removed)} were removed.`);
    });
  }

  /**
   * Continues until nothing is left to do; null where the page has turned to another stream.
   * @param {typeof here} mine
   * @param {URLSearchParams} what
   * @param {Removed} removed the first answer; each one counts from the beginning
   * @param {boolean} isDry
   */
  async function finish(mine, what, removed, isDry) {
    let [failures, idle] = [0, 0];
    while (removed.cursor && mine === here) {
      progress.hidden = isDry;
      progress.value = removed.points;
      if (!isDry) setText(answer, `${words(removed)} removed so far. The removal continues even if you leave this page.`);
      try {
        const next = await api.removePoints(token(), mine.id, what, { isDry, after: removed.cursor });
        idle = next.points > removed.points || next.bytes > removed.bytes ? 0 : idle + 1;
        [removed, failures] = [next, 0];
        if (idle >= MAX_IDLE_STEPS) throw new Problem({ status: 0, title: "The removal is slow", detail: "The server is still at work, but has removed nothing more for a while. Look again later." });
        if (idle) await pause(PAUSE_MS);
      } catch (error) {
        if (!(error instanceof Problem) || !isRetried(error) || idle >= MAX_IDLE_STEPS || ++failures >= MAX_FAILURES) throw error;
        await pause(Math.max(PAUSE_MS, error.retryAfter_s * 1000));
      }
    }
    return mine === here ? removed : null;
  }

  return { turn };
}

/** @param {Removed} removed */
function words({ points, series, bytes: size }) {
  return `${plural(points, "point")} of ${plural(series, "series", "series")} (${bytes(size)})`;
}

/** @param {number} wait_ms @returns {Promise<void>} */
function pause(wait_ms) {
  return new Promise((resolve) => setTimeout(resolve, wait_ms));
}
