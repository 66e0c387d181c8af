// @ts-check
/**
 * The look of a chart, as constructed style sheets: no content security policy needs to allow them. A page themes a
 * chart with the custom properties that begin with `--heartbeat-`. Parts that are loaded later bring their own rules.
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
p, h2, dl { margin: 0; }
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

bdi:not([data-kind="value"]) { color: var(--muted); font-style: italic; }

.more { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; color: var(--muted); font-size: 0.84rem; }
.more p { flex: 1 1 auto; }
details { font-size: 0.84rem; color: var(--muted); }
summary { width: max-content; cursor: pointer; padding: 2px 0; }
:host([kind="number"]) .stage { min-height: 56px; }
:host([kind="number"]) .plot { inset: 0; }

.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@container (max-width: 460px) {
  .frame { padding: var(--heartbeat-padding, 14px); }
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

const sheets = /** @type {Map<string, CSSStyleSheet>} */ (new Map());

/**
 * Gives a shadow root a style sheet, made once for all charts of a page.
 * @param {ShadowRoot} root
 * @param {string} css what a part that is loaded later brings; by default that of the chart itself
 */
export function adopt(root, css = CSS) {
  let sheet = sheets.get(css);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    sheets.set(css, sheet);
  }
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
