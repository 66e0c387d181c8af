// @ts-check
/**
 * A point from the fields of a form. Pure. It only turns text into JSON types: the server decides what a point may
 * hold, and the page shows its reasons.
 */

/**
 * @typedef {object} Point
 * @property {number} n
 * @property {number} [d]
 * @property {number} [p]
 * @property {Record<string, string>} [v]
 */

/**
 * @param {{ n: string, d: string, p: string, labels: string }} typed d, p and labels may be empty
 * @returns {{ point: Point } | { mistake: string }}
 */
export function parsePoint({ n, d, p, labels }) {
  const odd = Object.entries({ n, d: d || "1", p: p || "1" }).find(([, text]) => !isNumber(text));
  if (odd) return { mistake: `${odd[0]} is not a number.` };

  const pairs = labels.split("\n").filter((line) => line.trim() !== "").map(pairOf);
  const names = pairs.map(([name]) => name);
  if (names.includes("")) return { mistake: "A label is written key=value." };
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return { mistake: `The label ${twice} appears twice.` };

  return {
    point: {
      n: Number(n),
      ...(d && { d: Number(d) }),
      ...(p && { p: Number(p) }),
      ...(pairs.length && { v: Object.fromEntries(pairs) }),
    },
  };
}

/** @param {string} text */
function isNumber(text) {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

/**
 * @param {string} line
 * @returns {[string, string]} the name is empty without an equals sign
 */
function pairOf(line) {
  const at = line.indexOf("=");
  return [line.slice(0, Math.max(at, 0)).trim(), line.slice(at + 1).trim()];
}
