// @ts-check
/** The one way in: each point is sampled, gets the page's labels, passes `beforeSend`, and is checked. */

import { attempt } from "./attempt.js";
import { gather, lose, now_s, off } from "./delivery.js";
import { options } from "./options.js";
import { check, isLabels, pointOf } from "./point.js";

/**
 * Never throws: what is wrong is a warning, and counted as dropped.
 * @param {any} point
 * @param {boolean} [merges] with others of its labels
 * @param {any} [ours] labels of the writer's own; those of the point go before them
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
