// @ts-check
/**
 * The one way in for points: samples them, adds the page's labels, calls `beforeSend`, and checks the result. All of
 * that may run the page's own code, which may throw.
 */

import { attempt } from "./attempt.js";
import { gather, lose, now_s, off } from "./delivery.js";
import { options } from "./options.js";
import { check, isLabels, pointOf } from "./point.js";

/**
 * Adds a point. Never throws: a point that is wrong is a warning in the console, and counts as dropped.
 * @param {any} point as the page gives it
 * @param {boolean} [merges] whether it may merge with a point of equal labels
 * @param {any} [ours] labels of this script; the point's own go before them
 */
export const add = (point, merges, ours) => {
  const { sampleRate, labels, beforeSend } = options;
  if (Math.random() >= sampleRate) return;
  attempt(() => {
    const page = typeof labels == "function" ? labels() : labels;
    check("v", isLabels(page) && isLabels(point.v));
    point = { ...point, v: { ...page, ...ours, ...point.v } };
    if (beforeSend) point = beforeSend(point);
    return !point || (!off && !gather(pointOf(point, sampleRate, now_s()), merges));
  }, true) || lose(1);
};
