// @ts-check
/**
 * Messages of errors without what differs from visitor to visitor, so that equal faults are equal: numbers and ids are `0`,
 * addresses lose their query, and what a person typed goes. Words stay, also with digits in them: `Uint8Array`, `base64`.
 * Nothing here touches the page.
 */

/**
 * What becomes `0`, but for the groups. In this order:
 * - what is in double quotes, from the first to the last: V8 quotes JSON that it could not read;
 * - an e-mail address;
 * - whose folder it is;
 * - after a short word what is longer and more mixed than words are, `cus_NffrFeUfNVHib`;
 * - what has a digit, but for words with up to three digits in one place.
 */
const VARIES =
  /"[^]*"|[^\s/'(]+@[\w.-]+|((?:ome|sers)[\\/])[\w.-]+|(\b[a-z]{1,6}[_-])(?=[^\W_]{8})(?=[^\W_]*[a-z\d][A-Z\d])[\w-]+|(^|[\W_])(?=[^\W_]*\d)(?!(?=[^\W_]*[G-Zg-z])[A-Za-z]+\d{1,3}[A-Za-z]*(?![^\W_]))[\w-]+/g;

/** @param {string} text */
export const fold = (text) => {
  const MAX_CHARS = 200;
  // A longer message is cut first, so that no page waits for its folding.
  const MAX_READ_CHARS = 2000;
  return text.slice(0, MAX_READ_CHARS).replace(/([\w/])[?#]\S*/g, "$1").replace(VARIES, "$1$2$30").slice(0, MAX_CHARS);
};
