// @ts-check
/**
 * Runs a task repeatedly while the page is visible. Runs never overlap: each ends before the next timeout starts.
 * Time, chance and visibility are arguments.
 */

/** Between two runs that succeed. */
export const INTERVAL_MS = 10_000;

/** The longest pause after failures, reached with the fifth. */
export const LONGEST_MS = 300_000;

/**
 * How a run ended: go on as usual, try again later (not before `after_s`), or stop until `now()` is called.
 * @typedef {{ kind: "done" } | { kind: "retry", after_s: number } | { kind: "stop" }} Outcome
 */

/**
 * @typedef {object} Surroundings
 * @property {Pick<Document, "visibilityState" | "addEventListener">} page
 * @property {(run: () => void, delay_ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random in [0, 1)
 */

/**
 * @param {() => Promise<Outcome>} task
 * @param {Surroundings} surroundings
 */
export function createPoll(task, { page, setTimeout, clearTimeout, random }) {
  let timer = /** @type {any} */ (null);
  let failures = 0;
  /** Counts runs: one that `now()` or `stop()` has superseded must not set the timer. */
  let run = 0;
  let isOn = false;

  async function now() {
    stop();
    isOn = true;
    const mine = run;
    const outcome = await task();
    if (mine === run) wait(outcome);
  }

  /** @param {Outcome} outcome */
  function wait(outcome) {
    isOn = outcome.kind !== "stop";
    failures = outcome.kind === "retry" ? failures + 1 : 0;
    const least_ms = outcome.kind === "retry" ? outcome.after_s * 1000 : 0;
    if (isOn && isVisible()) timer = setTimeout(now, Math.max(nextRun_ms(failures, random()), least_ms));
  }

  function stop() {
    clearTimeout(timer);
    run += 1;
    isOn = false;
  }

  function isVisible() {
    return page.visibilityState === "visible";
  }

  page.addEventListener("visibilitychange", () => {
    if (!isOn) return;
    if (isVisible()) now();
    else clearTimeout(timer);
  });

  return { now, stop };
}

/**
 * The pause before the next run: it doubles with each failure in a row, and is spread so that pages don't return in
 * step.
 * @param {number} failures
 * @param {number} chance in [0, 1)
 */
export function nextRun_ms(failures, chance) {
  if (failures === 0) return INTERVAL_MS;
  return Math.min(INTERVAL_MS * 2 ** failures, LONGEST_MS) * (0.75 + chance / 2);
}
