// @ts-check
/** The look of a chart's tables: the legend, and the data of the chart. Loaded with the first of them. */

export const TABLES = `
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
.series [aria-pressed="false"] svg { opacity: 0.35; }
.series [aria-pressed="false"] bdi { color: var(--muted); text-decoration: line-through; }
.series tr.pointed > *, .series tbody tr:hover > * { background: var(--soft); }
.series svg { flex: none; width: 22px; height: 10px; }
.series svg line { stroke-width: 4; }
:is(.at, [aria-sort]) { color: var(--text); font-weight: 600; }

.rows { max-height: 20rem; overflow: auto; margin-top: 6px; color: var(--text); }
.rows table { font-size: 0.84rem; }
.rows thead th { max-width: 12rem; overflow: hidden; text-overflow: ellipsis; }
.rows :is(th, td):first-child { position: sticky; left: 0; background: var(--background); }
.rows thead th:first-child { z-index: 1; }
.rows .open > * { color: var(--muted); font-style: italic; }

@container (max-width: 460px) {
  .series :is(td, thead th):nth-child(3) { display: none; }
  .series thead th:first-child { width: 46%; }
  th, td { padding-left: 8px; }
}
`;
