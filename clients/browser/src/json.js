// @ts-check
/**
 * JSON by our own hand. JSON.stringify asks every object for `toJSON`, and Prototype.js before 1.7 (2010) gave arrays, strings
 * and dates one that quotes twice; other pages replace JSON.stringify itself. Neither reaches this.
 */

/**
 * The text of strings, numbers, booleans, arrays and objects; what is undefined or null is left out. Strings must have no control
 * characters: those of points have none (point.js).
 * @param {any} value
 * @returns {string}
 */
export const json = (value) => {
  if (typeof value == "string") return `"${value.replace(/["\\]/g, "\\$&")}"`;
  if (typeof value != "object") return `${value}`;
  if (Array.isArray(value)) return `[${value.map(json)}]`;
  const names = Object.keys(value).filter((name) => value[name] != undefined);
  return `{${names.map((name) => json(name) + ":" + json(value[name]))}}`;
};
