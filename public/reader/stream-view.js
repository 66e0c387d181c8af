// @ts-check
/** The part of the page that shows one stream: its controls, its chart or what stands in place of it, and a form to write to it. */

import { mountControls } from "./controls.js";
import { find, setText } from "../chart/dom.mjs";
import { mountFieldsForm } from "./fields-form.js";
import { formats } from "../chart/format.mjs";
import { HeartbeatChart } from "../heartbeat-chart.mjs";
import { mountNotice } from "./notice.js";
import { mountPointForm } from "./point-form.js";
import { isEmpty } from "./session.js";

/** @import { Address } from "./address.js" */
/** @import { CreatedStream } from "./api.js" */
/** @import { View } from "./session.js" */

/**
 * @param {HTMLElement} el
 * @param {object} needs
 * @param {Pick<typeof import("./api.js"), "sendPoint">} needs.api
 * @param {string} needs.origin
 * @param {(change: Partial<Address>) => void} needs.onchange
 * @param {() => void} needs.onrefresh
 */
export function mountStreamView(el, { api, origin, onchange, onrefresh }) {
  const words = formats();
  const id = find(el, ".stream-id", HTMLElement);
  const banner = find(el, ".banner", HTMLElement);
  const card = find(el, ".panel-card", HTMLElement);
  const keyForm = find(el, "#key", HTMLFormElement);
  const controls = mountControls(find(el, "#controls", HTMLElement), { formats: words, onchange, onrefresh });
  const notice = mountNotice(find(el, "#notice", HTMLElement), { origin });
  const panel = find(el, "#panel", HeartbeatChart);
  const pointForm = mountPointForm(find(el, "#point", HTMLFormElement), { api, onaccept: onrefresh });
  mountFieldsForm(keyForm, onchange);

  let created = /** @type {CreatedStream | null} */ (null);

  /** The next time this stream is shown, it is greeted as new. @param {CreatedStream} stream */
  function welcome(stream) {
    created = stream;
    setText(find(banner, "bdi", HTMLElement), stream.name);
  }

  /** @param {View} view */
  function update(view) {
    const { address, chart, isLoading, problem } = view;
    setText(id, address.stream);
    banner.hidden = address.stream === "" || created?.id !== address.stream;
    controls.update(view);
    card.setAttribute("aria-busy", String(isLoading));
    notice.update(view);
    keyForm.hidden = problem?.status !== 401;
    panel.hidden = chart === null || isEmpty(chart);
    panel.setAttribute("by", address.by);
    panel.data = chart;
    pointForm.update(address.stream);
  }

  return { update, welcome };
}
