// @ts-check
/**
 * The options of the page: numbers have their defaults here; a switch that is absent is on. Attributes and `init` set
 * them.
 */

/** @type {Record<string, any>} */
export const options = { sampleRate: 1, flushInterval: 5, exceptionBudget: 20 };
