// @ts-check
/**
 * The labels of an error. `throw` and `reject` accept anything, even a proxy whose every property throws. Of a thing
 * without a message only its type and the names of its properties are reported, never a value: values may be personal.
 */

import { attempt } from "./attempt.js";
import { fold } from "./fold.js";

/** @param {any} reason @returns {{ exception: string, message: string, class?: string }} */
export const faultOf = (reason) => {
  let exception = "Error";
  let message = reason;
  if (Object(reason) === reason) {
    message = typeof reason;
    // Any of these lines may throw; what is known by then is reported.
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
  // Two kinds that no page can mend: of another origin's script browsers report only "Script error.", and they report
  // frames that a ResizeObserver missed as errors.
  return { exception, message, class: /^(Script e|ResizeO)\w+/.exec(message)?.[0] };
};
