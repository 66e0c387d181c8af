// @ts-check
/**
 * What the server takes, checked where it enters: a point that it would refuse never lies in a batch beside good ones, nor
 * in a sum of theirs. Nothing here touches the page.
 */

/** @typedef {{ n: number, d: number, p?: number, t?: number, v: Record<string, string>, at_s: number }} Entry a point, and when it came */

/**
 * The point with its labels as texts, and n and d scaled to stand for those that were not sampled.
 * @param {any} given
 * @param {number} sampleRate above 0, at most 1
 * @param {number} at_s
 * @returns {Entry}
 * @throws {TypeError} for what the server would refuse; it names the field
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

/** Whether it may be a set of labels. @param {any} given */
export const isLabels = (given) => /^[ou]/.test(typeof given);

/** @param {string} field @param {unknown} isRight */
export const check = (field, isRight) => {
  if (!isRight) throw TypeError(field);
};

/** Whether it is finite, also when it is scaled. @param {unknown} value @param {number} sampleRate */
const isNumber = (value, sampleRate) => typeof value == "number" && isFinite(value / sampleRate);

/**
 * Sorted by name, so that equal labels are equal texts. There is no prototype: `__proto__` is a name like any other.
 * @param {Record<string, any>} given
 */
const labelsOf = (given) => {
  const MAX_NAME_BYTES = 64;
  const MAX_VALUE_BYTES = 256;
  const labels = Object.create(null);
  Object.keys(given).sort().forEach((name) => {
    // Strings, symbols, booleans, numbers: what is nested, a function or nothing has no text.
    const value = /^[sbn]/.test(typeof given[name]) && clip(given[name], MAX_VALUE_BYTES);
    name = clip(name, MAX_NAME_BYTES);
    if (name && value) labels[name] = value;
  });
  return labels;
};

/** @param {string} text */
export const encode = (text) => new TextEncoder().encode(text);

/**
 * Cut at a whole character. The encoder makes U+FFFD of a lone surrogate, which JSON has no form for.
 * @param {unknown} value
 * @param {number} bytes of UTF-8
 */
const clip = (value, bytes) =>
  new TextDecoder().decode(encode(String(value).replace(/\p{Cc}/gu, " ")).subarray(0, bytes), { stream: true });
