// @ts-check
/** How many people are looking, from the counts of each step of 10 seconds. Pure. */

/**
 * @typedef {{ kind: "none" | "waiting" | "live" | "lost" | "denied" | "missing" | "uncounted" | "refused", title:
 *   string, advice: string }} Notice
 */

/**
 * How many there are now. Each visible page writes several points in 10 seconds, so everybody is in the step before
 * this one, or in this one if they have just come. People who left are in neither after at most 20 seconds.
 * @param {(number | null)[]} counts of each step, oldest first; the last one is still open
 */
export function viewersNow(counts) {
  return Math.max(counts.at(-1) ?? 0, counts.at(-2) ?? 0);
}

/** @param {number} viewers including this page */
export function viewersWords(viewers) {
  if (viewers === 0) return "Nobody is counted yet.";
  return viewers === 1 ? "1 person is looking at this page: you." : `${viewers} people are looking at this page, including you.`;
}

/**
 * The notice in place of the number, or beside it.
 * @param {string} state of the reader
 * @param {{ status: number, detail: string } | null} problem
 * @param {string} label
 * @returns {Notice}
 */
export function viewersNotice(state, problem, label) {
  switch (state) {
    case "connecting": return { kind: "waiting", title: "Counting…", advice: "" };
    case "offline": return { kind: "lost", title: "No connection", advice: "This is the last known number. The page tries again automatically." };
    case "denied": return { kind: "denied", title: "This stream is not public", advice: "Only holders of its read key can read it, and this page has none. Its owner can tick “Anyone can read” in its settings." };
    case "missing": return { kind: "missing", title: "No such stream", advice: "Compare the id in the address with the one that you were given: every character counts." };
    case "refused":
      return problem?.status === 400
        ? { kind: "uncounted", title: `This stream does not count “\u2068${label}\u2069”`, advice: "Its owner can add the label to the counted labels in its settings, and then reload this page." }
        : { kind: "refused", title: "The stream can't be read", advice: problem?.detail ?? "" };
    default: return { kind: "live", title: "", advice: "" };
  }
}
