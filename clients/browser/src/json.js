// @ts-check
/**
 * A JSON writer of our own. JSON.stringify calls `toJSON` on every object, and Prototype.js before 1.7 (2010) gave
 * arrays, strings and dates one that quotes twice; other pages replace JSON.stringify itself. Neither affects this.
 */

/**
 * Writes strings, numbers, booleans, arrays and objects, and leaves out undefined and null.
 * @param {any} value its strings have no control characters: point.js replaces those
 * @returns {string}
 */
export const json = (value) => {
  if (typeof value == "string") return `"${value.replace(/["\\]/g, "\\$&")}"`;
  if (typeof value != "object") return `${value}`;
  if (Array.isArray(value)) return `[${value.map(json)}]`;
  const names = Object.keys(value).filter((name) => value[name] != undefined);
  return `{${names.map((name) => json(name) + ":" + json(value[name]))}}`;
};
