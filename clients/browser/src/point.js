// @ts-check
/**
 * The server's rules for a point, checked where it enters: a point that the server would refuse gets neither into a
 * batch with good ones, nor into a sum with them. Nothing here touches the page.
 */

/**
 * @typedef {{ n: number, d: number, p?: number, t?: number, v: Record<string, string>, at_s: number }} Entry a point,
 *   and when it was added
 */

/**
 * The point with its labels as strings, and with n and d scaled up for the points that were not sampled.
 * @param {any} given
 * @param {number} sampleRate above 0, at most 1
 * @param {number} at_s
 * @returns {Entry}
 * @throws {TypeError} that names the field which the server would refuse
 */
export const pointOf = ({ n, d = 1, p, t, v }, sampleRate, at_s) => {
  const MAX_LABELS = 16;
  const MIN_PERIOD_S = 0.001;
  const MAX_PERIOD_S = 86400;
  check("v", isLabels(v));
  v = labelsOf(v);
  check("n", isNumber(n, sampleRate));
  check("d", isNumber(d, sampleRate) && d >= 0);
  check("p", p === undefined || (isNumber(p, 1) && p >= MIN_PERIOD_S && p <= MAX_PERIOD_S));
  check("t", t === undefined || isNumber(t, 1));
  check("v", Object.keys(v).length <= MAX_LABELS);
  return { n: n / sampleRate, d: d / sampleRate, p, t, v, at_s };
};

/** Whether a value may be a set of labels: an object, or undefined. @param {any} given */
export const isLabels = (given) => /^[ou]/.test(typeof given);

/** @param {string} field @param {unknown} isRight @throws {TypeError} that names the field */
export const check = (field, isRight) => {
  if (!isRight) throw TypeError(field);
};

/** Whether a value is a number that stays finite when scaled. @param {unknown} value @param {number} sampleRate */
const isNumber = (value, sampleRate) => typeof value == "number" && isFinite(value / sampleRate);

/**
 * Labels sorted by name, so that equal sets are equal as JSON. They have no prototype: `__proto__` is a name like any
 * other.
 * @param {Record<string, any>} given
 */
const labelsOf = (given) => {
  const MAX_NAME_BYTES = 64;
  const MAX_VALUE_BYTES = 256;
  const labels = Object.create(null);
  Object.keys(given).sort().forEach((name) => {
    // Strings, symbols, booleans, numbers and bigints; all else is left out.
    const value = /^[sbn]/.test(typeof given[name]) && clip(given[name], MAX_VALUE_BYTES);
    name = clip(name, MAX_NAME_BYTES);
    if (name && value) labels[name] = value;
  });
  return labels;
};

/** A text as UTF-8. @param {string} text */
export const encode = (text) => new TextEncoder().encode(text);

/**
 * Cuts a string after a whole character, and replaces control characters by spaces. The encoder turns a lone surrogate,
 * which UTF-8 can't carry, into U+FFFD.
 * @param {unknown} value
 * @param {number} bytes of UTF-8
 */
const clip = (value, bytes) =>
  new TextDecoder().decode(encode(String(value).replace(/\p{Cc}/gu, " ")).subarray(0, bytes), { stream: true });
