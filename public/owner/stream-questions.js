// @ts-check
/** The questions that the page of a stream asks before an action that can't be undone. */

import { h } from "../chart/dom.mjs";

/** @import { Stream } from "./api.js" */
/** @import { Question } from "./dialog.js" */

export const ONCE = "This is its read key. It is shown only once: keep it where you keep passwords, or bookmark the dashboard's link, which contains it after the #, where no server sees it.";

/** @param {(stream: Stream) => Promise<void>} act @param {Stream} stream @returns {Question} */
export function rotation(act, stream) {
  return {
    title: ["Make a new read key?"],
    said: ["The old key ends at once. Every dashboard, link and program that reads with it gets “unauthorized” until it has the new one.", "Writers are not affected. The new key is shown only once, here."],
    confirm: "Make a new key",
    act: () => act(stream),
  };
}

/** @param {(stream: Stream) => Promise<void>} act @param {Stream} stream @returns {Question} */
export function deletion(act, stream) {
  return {
    title: ["Delete ", h("bdi", {}, stream.name), "?"],
    said: ["All its points, series and messages are deleted permanently. Writers that still send get “no such stream”.", `Its id is ${stream.id}.`],
    ask: "Type the stream's name, or its id",
    isRight: (typed) => [stream.name.trim(), stream.id].includes(typed.trim()),
    confirm: "Delete permanently",
    act: () => act(stream),
  };
}

/** @param {string[]} consequences of a change of the settings @param {() => Promise<void>} act @returns {Question} */
export function lastingChange(consequences, act) {
  return { title: ["This can't be undone"], said: consequences, confirm: "Save anyway", act };
}
