// @ts-check
/**
 * The labels of an error, whatever was thrown. `throw` and `reject` take anything, also a proxy whose every property throws.
 * Of what has no message its type and the names of its properties are reported, never a value.
 */

import { attempt } from "./attempt.js";
import { fold } from "./fold.js";

/** @param {any} reason @returns {{ exception: string, message: string, class?: string }} */
export const faultOf = (reason) => {
  let exception = "Error";
  let message = reason;
  if (Object(reason) === reason) {
    message = typeof reason;
    // As far as it gets.
    attempt(() => {
      exception = ({}).toString.call(reason).slice(8, -1);
      message = `${exception} {${Object.keys(reason)}}`;
      if (typeof reason.message == "string") {
        message = reason.message;
        exception = (typeof reason.name == "string" && reason.name) || "Error";
      }
    });
  }
  message = fold(String(message));
  // Nobody's fault: a script of another origin says no more, and browsers report frames that a ResizeObserver missed as errors.
  return { exception, message, class: /^(Script e|ResizeO)\w+/.exec(message)?.[0] };
};
