// @ts-check
/** What the owner of the page wants: the defaults of numbers, and what attributes and `init` say; what is a switch is on. */

/** @type {Record<string, any>} */
export const options = { sampleRate: 1, flushInterval: 5, exceptionBudget: 20 };
