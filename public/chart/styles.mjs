// @ts-check
/**
 * What a chart looks like: one constructed style sheet for all charts of a page, which no content security policy has to
 * allow. A page themes it with the custom properties that begin with `--heartbeat-`.
 */

import { DARK, LIGHT } from "./palette.mjs";

/** @param {Record<string, string>} colours @param {string[]} series */
function properties(colours, series) {
  const all = { ...colours, ...Object.fromEntries(series.map((colour, i) => [`series-${i}`, colour])) };
  return Object.entries(all).map(([name, value]) => `--${name}: var(--heartbeat-${name}, ${value});`).join(" ");
}

const LIGHT_COLOURS = properties({ background: "#ffffff", text: "#1b2330", muted: "#5c6675", line: "#e2e6ec", edge: "#868f9d", accent: "#0f6f78", soft: "#eef5f6", good: "#1c7a45", bad: "#b3271e", other: "#7b8594" }, LIGHT);
const DARK_COLOURS = properties({ background: "#171c22", text: "#e8ecf1", muted: "#9aa5b4", line: "#29313b", edge: "#65707e", accent: "#5fcbd0", soft: "#1c262d", good: "#6fcf97", bad: "#ff9288", other: "#8d98a7" }, DARK);

const CSS = `
:host {
  ${LIGHT_COLOURS}
  color-scheme: light;
  display: block;
  min-width: 0;
  container-type: inline-size;
  color: var(--text);
  background: var(--background);
  border-radius: var(--heartbeat-radius, 12px);
  font: 400 0.9375rem/1.5 var(--heartbeat-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif);
  text-align: start;
}
@media (prefers-color-scheme: dark) { :host(:not([theme="light"])) { ${DARK_COLOURS} color-scheme: dark; } }
:host([theme="dark"]) { ${DARK_COLOURS} color-scheme: dark; }
:host([hidden]), [hidden] { display: none !important; }

* { box-sizing: border-box; }
p, h2 { margin: 0; }
button { font: inherit; color: inherit; border: 0; padding: 0; background: none; cursor: pointer; text-align: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.frame { display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; padding: var(--heartbeat-padding, 16px 18px); }

.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 12px; overflow-wrap: anywhere; }
.head h2 { font-size: 1.02rem; line-height: 1.4; font-weight: 640; letter-spacing: -0.01em; min-width: 0; }
.head p { color: var(--muted); font-size: 0.84rem; }
.state { display: inline-flex; align-items: center; gap: 7px; margin-inline-start: auto; white-space: nowrap; }
.state::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--edge); }
.state[data-state="live"]::before { background: var(--good); }
.state:is([data-state="offline"], [data-state="denied"], [data-state="missing"], [data-state="refused"])::before { background: var(--bad); }
@media (prefers-reduced-motion: no-preference) {
  .state[data-state="live"]::before { animation: beat 2.4s ease-in-out infinite; }
  @keyframes beat { 50% { opacity: 0.45; } }
}

.stage { position: relative; min-height: var(--heartbeat-height, clamp(200px, 45cqw, 300px)); }
.plot { position: absolute; inset: 0 -12px 0 -8px; border-radius: 8px; touch-action: pan-y; }
.plot.waiting { opacity: 0.55; }
.plot .u-over { cursor: crosshair; }
.notice { position: absolute; inset: 0; z-index: 1; display: grid; place-content: center; justify-items: center; gap: 6px; padding: 8px 16px; text-align: center; overflow-wrap: anywhere; overflow: auto; pointer-events: none; }
.notice p { max-width: 34rem; color: var(--muted); }
.notice .title { color: var(--text); font-weight: 600; }
.notice[data-kind="failed"] .title { color: var(--bad); }

.tools { position: absolute; z-index: 2; inset: 6px 6px auto auto; display: flex; gap: 6px; }
.tools button, .more button { padding: 3px 11px; border: 1px solid var(--edge); border-radius: 99px; background: var(--background); font-size: 0.84rem; font-weight: 550; }
:is(.tools, .more) button:hover { border-color: var(--accent); background: var(--soft); }

.legend { max-height: var(--heartbeat-legend-height, 19rem); overflow: auto; overscroll-behavior: contain; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 5px 0 5px 14px; border-top: 1px solid var(--line); text-align: right; vertical-align: baseline; font-weight: 400; white-space: nowrap; }
:is(th, td):first-child { padding-left: 0; text-align: start; }
thead th { position: sticky; top: 0; border-top: 0; background: var(--background); color: var(--muted); font-size: 0.82rem; font-weight: 550; }
.series { table-layout: fixed; }
.series thead th:first-child { width: 44%; }
.series :is(td, thead th) { overflow: hidden; text-overflow: ellipsis; }
.series tbody th { padding-block: 0; }
.series th button { display: flex; align-items: center; gap: 10px; width: 100%; min-width: 0; padding: 5px 0; min-height: 30px; }
.series th button:focus-visible { outline-offset: -2px; }
.series bdi { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
bdi:not([data-kind="value"]) { color: var(--muted); font-style: italic; }
.series [aria-pressed="false"] svg { opacity: 0.35; }
.series [aria-pressed="false"] bdi { color: var(--muted); text-decoration: line-through; }
.series tr.pointed > *, .series tbody tr:hover > * { background: var(--soft); }
.series svg { flex: none; width: 22px; height: 10px; }
.series svg line { stroke-width: 4; }
:is(.at, [aria-sort]) { color: var(--text); font-weight: 600; }

.more { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; color: var(--muted); font-size: 0.84rem; }
.more p { flex: 1 1 auto; }
details { font-size: 0.84rem; color: var(--muted); }
summary { width: max-content; cursor: pointer; padding: 2px 0; }
.rows { max-height: 20rem; overflow: auto; margin-top: 6px; color: var(--text); }
.rows table { font-size: 0.84rem; }
.rows thead th { max-width: 12rem; overflow: hidden; text-overflow: ellipsis; }
.rows :is(th, td):first-child { position: sticky; left: 0; background: var(--background); }
.rows thead th:first-child { z-index: 1; }
.rows .open > * { color: var(--muted); font-style: italic; }

.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9rem), 1fr)); gap: 10px 24px; }
.numbers > div { min-width: 0; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.numbers dt { color: var(--muted); font-size: 0.86rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.numbers dd { margin: 0; font-size: clamp(1.7rem, 12cqw, 2.4rem); line-height: 1.15; font-weight: 680; letter-spacing: -0.03em; font-variant-numeric: tabular-nums; }
.numbers > :only-child dd { font-size: clamp(2.6rem, 17cqw, 4.6rem); }
dl { margin: 0; }
:host([kind="number"]) .stage { min-height: 56px; }
:host([kind="number"]) .plot { inset: 0; }

.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@container (max-width: 460px) {
  .frame { padding: var(--heartbeat-padding, 14px); }
  .series :is(td, thead th):nth-child(3) { display: none; }
  .series thead th:first-child { width: 46%; }
  th, td { padding-left: 8px; }
}

/* What uPlot needs of its own style sheet. */
.uplot, .uplot * { box-sizing: border-box; }
.uplot { width: min-content; line-height: 1.5; }
.u-wrap { position: relative; user-select: none; }
.u-over, .u-under, .u-axis, .u-select, .u-cursor-x, .u-cursor-y { position: absolute; }
.u-under { overflow: hidden; }
.uplot canvas { display: block; position: relative; width: 100%; height: 100%; }
.u-select { background: color-mix(in srgb, var(--accent) 18%, transparent); pointer-events: none; }
.u-cursor-x, .u-cursor-y { left: 0; top: 0; pointer-events: none; will-change: transform; }
.u-hz .u-cursor-x { height: 100%; border-right: 1px solid var(--edge); }
.u-cursor-pt { position: absolute; top: 0; left: 0; border-radius: 50%; border: 0 solid; pointer-events: none; will-change: transform; background-clip: padding-box !important; }
.u-off { display: none; }
`;

let sheet = /** @type {CSSStyleSheet | null} */ (null);

export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
