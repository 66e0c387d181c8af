// @ts-check
/** The status of a stream: accepted and rejected points, its size, and the state of forwarding and of carbon. */

import { find, h, setText } from "../chart/dom.mjs";
import { sparkline } from "./sparkline.js";
import { ago, boundWords, bytes, carbonWords, forwardWords, number, paceNumber, plural, reasonWords, short, until } from "./words.js";

/** @import { Bound, CarbonStatus, ForwardStatus, Status } from "./words.js" */

/** @param {HTMLElement} el */
export function mountStatus(el) {
  const facts = find(el, ".facts", HTMLElement);
  const rejected = find(el, ".rejected", HTMLElement);
  const pace = find(el, ".pace", HTMLElement);
  const bounds = find(el, ".bounds", HTMLElement);

  /** @param {Status} status @param {number[]} counts @param {number} now_s */
  function update(status, counts, now_s) {
    const refused = Object.values(status.rejected).reduce((sum, count) => sum + count, 0);
    pace.replaceChildren(h("p", {}, h("strong", {}, paceNumber(counts)), h("span", { class: "muted" }, " points in the last minute")), sparkline(counts), h("p", { class: "muted span" }, h("span", {}, "an hour ago"), h("span", {}, "now")));
    bounds.replaceChildren(...(status.bounds?.length ? [h("h3", {}, "Near a limit"), h("ul", {}, ...status.bounds.map(nearBound))] : []));
    facts.replaceChildren(
      ...fact("Last write", ago(status.last_write, now_s), status.last_write === null ? "" : new Date(status.last_write * 1000).toLocaleString()),
      ...fact("Points accepted", short(status.accepted), status.accepted < 1000 ? "" : number(status.accepted)),
      ...fact("Points rejected", short(refused), refused ? "reasons below" : ""),
      ...fact("Series", short(status.series), status.overflow.points ? `${plural(status.overflow.points, "point")} beyond the limit, in the series overflow=true` : status.shards > 1 ? "in the largest shard" : ""),
      ...fact("Shards", number(status.shards), ""),
      ...fact("Storage", bytes(status.storage_bytes), ""),
      ...fact("Log, not sealed yet", bytes(status.log.bytes), plural(status.log.rows, "commit")),
      ...fact("Memory", bytes(status.memory_bytes), `${plural(status.open_cells, "open cell")}`),
    );
    const reasons = Object.entries(status.rejected).filter(([, count]) => count > 0).toSorted(([, a], [, b]) => b - a);
    rejected.replaceChildren(...(reasons.length ? [rejections(reasons)] : []));
  }

  return { update };
}

/** @param {Bound} bound */
function nearBound(bound) {
  const { title, used, percent } = boundWords(bound);
  const pill = h("span", { class: "pill", "data-kind": percent < 90 ? "busy" : "bad" }, `${percent} %`);
  return h("li", {}, h("p", { class: "row" }, h("strong", {}, h("bdi", {}, title)), h("span", {}, used), pill), h("p", { class: "muted" }, h("bdi", {}, bound.advice)));
}

/** @param {[string, number][]} reasons */
function rejections(reasons) {
  const rows = reasons.map(([reason, count]) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, reason)), h("td", {}, reasonWords(reason)), h("td", {}, number(count))));
  const head = h("tr", {}, ...["Field", "Why", "Points"].map((title) => h("th", { scope: "col" }, title)));
  return h("table", {}, h("caption", {}, "Rejected points by reason"), h("thead", {}, head), h("tbody", {}, ...rows));
}

/** @param {HTMLElement} el */
export function mountForward(el) {
  const pill = find(el, ".pill", HTMLElement);
  const explain = find(el, ".explain", HTMLElement);
  const facts = find(el, ".facts", HTMLElement);
  const aside = find(el, ".aside", HTMLElement);
  const retry = find(el, "[name=retry]", HTMLButtonElement);
  let shown = "";

  /** @param {ForwardStatus | null} forward @param {number} now_s */
  function update(forward, now_s) {
    const word = forwardWords(forward);
    setText(pill, word.text);
    pill.dataset.kind = word.kind;
    setText(explain, forward ? word.more : "Points stay here. To send them on to pnut.io or another Heartbeat, see Forwarding in the settings below.");
    retry.hidden = !forward;
    facts.replaceChildren(...(forward ? forwardFacts(forward, now_s) : []));
    // Only when it has changed: somebody may be reading or selecting it.
    const recent = JSON.stringify(forward?.set_aside ?? null);
    if (recent !== shown) aside.replaceChildren(...(forward?.set_aside.points ? [setAside(forward.set_aside)] : []));
    shown = recent;
  }

  return { update };
}

/** @param {HTMLElement} el hidden where the stream pushes nothing to carbon */
export function mountCarbon(el) {
  const pill = find(el, ".pill", HTMLElement);
  const explain = find(el, ".explain", HTMLElement);
  const facts = find(el, ".facts", HTMLElement);

  /** @param {CarbonStatus | null} carbon @param {number} now_s */
  function update(carbon, now_s) {
    el.hidden = !carbon;
    if (!carbon) return;
    const word = carbonWords(carbon);
    setText(pill, word.text);
    pill.dataset.kind = word.kind;
    setText(explain, word.more);
    facts.replaceChildren(...carbonFacts(carbon, now_s));
  }

  return { update };
}

/** @param {CarbonStatus} carbon @param {number} now_s */
function carbonFacts({ host, port, interval_s, sent_until, pending_since, lines, corrected, skipped, last_error, next_try }, now_s) {
  return [
    ...fact("To", `${host}, port ${port}`, `a value every ${interval_s} s`),
    ...fact("Sent", plural(lines, "line"), `of steps until ${ago(sent_until, now_s)}`),
    ...(pending_since === null ? [] : fact("To be sent", `steps since ${ago(pending_since, now_s)}`, "")),
    ...(corrected ? fact("Sent again", plural(corrected, "step"), "after late points") : []),
    ...(skipped ? fact("Skipped", plural(skipped, "step"), "no longer kept when they were due") : []),
    ...(last_error ? fact("Last error", last_error.message, ago(last_error.at, now_s)) : []),
    ...(next_try === null ? [] : fact("Next try", until(next_try, now_s), "")),
  ];
}

/** @param {ForwardStatus} forward @param {number} now_s */
function forwardFacts({ dialect, api_root, channel, delivered, pending, coarsened, last_error, next_try }, now_s) {
  return [
    ...fact("To", `${dialect === "pnut" ? "pnut.io" : dialect}, channel ${channel ?? "to be created"}`, api_root),
    ...fact("Delivered", plural(delivered.points, "point"), `in ${plural(delivered.messages, "message")}`),
    ...fact("On the way", plural(pending.points, "point"), pending.messages ? `${plural(pending.messages, "message")} packed` : ""),
    ...(coarsened.points ? fact("Coarsened", plural(coarsened.points, "point"), `became ${number(coarsened.into)}; sums are exact`) : []),
    ...(last_error ? fact("Last error", last_error.message, ago(last_error.at, now_s)) : []),
    ...(next_try === null ? [] : fact("Next try", until(next_try, now_s), "")),
  ];
}

/** @param {ForwardStatus["set_aside"]} setAside */
function setAside({ points, recent }) {
  const items = recent.map(({ point, reason }) => h("li", {}, h("p", {}, h("bdi", {}, reason)), h("pre", { tabindex: "0" }, JSON.stringify(point))));
  const title = points > recent.length ? `${plural(points, "point")} set aside, the last ${recent.length}:` : `${plural(points, "point")} set aside:`;
  return h("div", {}, h("h3", {}, title), h("p", { class: "muted" }, "The upstream refuses them. They are kept, and “Try again now” sends them again."), h("ul", {}, ...items));
}

/** @param {string} name @param {string} value @param {string} more */
function fact(name, value, more) {
  return [h("div", {}, h("dt", {}, name), h("dd", {}, h("bdi", {}, value), ...(more ? [h("small", {}, h("bdi", {}, more))] : [])))];
}
