// @ts-check
/** A filter as the API has it, `country!=US`, and its parts. Pure. */

/** @typedef {{ label: string, test: Test, value: string }} Matcher */
/** @typedef {typeof TESTS[number]} Test */

export const TESTS = /** @type {const} */ (["=", "!=", "=~", "!~"]);

/** @type {Record<Test, string>} */
export const WORDS = { "=": "is", "!=": "is not", "=~": "matches", "!~": "does not match" };

/** Whether the API's filters can name a label: its name ends at the first = or !. @param {string} label */
export function isNameable(label) {
  return !/[=!]/.test(label);
}

/** @param {string} text @returns {Matcher | null} null if it is not one */
export function parseMatcher(text) {
  const [, label, test, value] = /^([^=!]+)(=~|!~|!=|=)(.*)$/s.exec(text) ?? [];
  return label === undefined ? null : { label, test: /** @type {Test} */ (test), value };
}

/** @param {Matcher} matcher */
export function formatMatcher({ label, test, value }) {
  return `${label}${test}${value}`;
}

/** A filter in words. @param {string} text */
export function matcherWords(text) {
  const matcher = parseMatcher(text);
  if (!matcher) return text;
  const { label, test, value } = matcher;
  if (value === "" && test === "=") return `without ${label}`;
  if (value === "" && test === "!=") return `with ${label}`;
  return `${label} ${WORDS[test]} ${value}`;
}
