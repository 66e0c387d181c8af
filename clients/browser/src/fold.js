// @ts-check
/**
 * Folds error messages: takes out what differs from visitor to visitor, so that equal faults have equal messages.
 * Numbers and ids become `0`, addresses lose their query, and what a person typed goes. Words stay, even with digits in
 * them: `Uint8Array`, `base64`. Nothing here touches the page.
 */

/**
 * All of these become `0`, except for the groups in parentheses. In this order:
 * - everything from the first double quote to the last: V8 quotes JSON that it could not parse;
 * - an e-mail address;
 * - the name of a home folder, after `home/` or `Users/`;
 * - an id after a short word, longer and more mixed than words are: `cus_NffrFeUfNVHib`;
 * - anything with a digit, except for words with up to three digits in one place.
 */
const VARIES =
  /"[^]*"|[^\s/'(]+@[\w.-]+|((?:ome|sers)[\\/])[\w.-]+|(\b[a-z]{1,6}[_-])(?=[^\W_]{8})(?=[^\W_]*[a-z\d][A-Z\d])[\w-]+|(^|[\W_])(?=[^\W_]*\d)(?!(?=[^\W_]*[G-Zg-z])[A-Za-z]+\d{1,3}[A-Za-z]*(?![^\W_]))[\w-]+/g;

/** @param {string} text a message @returns {string} at most 200 characters */
export const fold = (text) => {
  const MAX_CHARS = 200;
  // Folding takes time in proportion to the length, which the page would wait for.
  const MAX_READ_CHARS = 2000;
  return text.slice(0, MAX_READ_CHARS).replace(/([\w/])[?#]\S*/g, "$1").replace(VARIES, "$1$2$30").slice(0, MAX_CHARS);
};
