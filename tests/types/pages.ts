/**
 * Compiled and never run. The types that clients/browser/heartbeat.d.ts promises are those of the served modules, and
 * the uses that docs/browser.md and docs/reader.md show have them. `tsc` fails where that is not so.
 */

import type * as declaredChart from "https://heartbeat.example/heartbeat-chart.mjs";
import writer, { count } from "https://heartbeat.example/heartbeat.mjs";
import * as declaredReader from "https://heartbeat.example/reader.mjs";
import type * as chart from "../../public/heartbeat-chart.mjs";
import type { Problem } from "../../public/live/problem.mjs";
import type { Options } from "../../public/live/query.mjs";
import type { View } from "../../public/live/view.mjs";
import type * as reader from "../../public/reader.mjs";

/** Whether each of two types can stand for the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

function holds<_True extends true>() {}

holds<Same<Heartbeat.ReaderOptions, Options>>();
holds<Same<Heartbeat.View, View>>();
holds<Same<Heartbeat.Problem, Problem>>();
holds<Same<keyof typeof declaredReader, keyof typeof reader>>();
holds<Same<keyof Heartbeat.Reader, keyof reader.Reader>>();
holds<Same<Omit<Heartbeat.Reader, "onchange">, Omit<reader.Reader, "onchange">>>();
holds<Same<keyof typeof declaredChart, keyof typeof chart>>();
holds<Same<Exclude<keyof Heartbeat.Chart, keyof HTMLElement>, Exclude<keyof chart.HeartbeatChart, keyof HTMLElement | `${string}Callback`>>>();
holds<Same<Heartbeat.Line, chart.HeartbeatChart["lines"][number]>>();
type Methods = "lines" | "kind" | "toggle" | "zoom" | "toBlob" | "summaryTitle";
holds<Same<Pick<Heartbeat.Chart, Methods>, Pick<chart.HeartbeatChart, Methods>>>();

export async function writes() {
  window.heartbeat = { q: [["count", 1, { event: "early" }]], beforeSend: (point) => (point.v.message ? null : point) };
  window.heartbeat.q?.push(["exception", new Error("early")]);
  writer.init({ stream: "ID", labels: () => ({ section: document.body.dataset.section }) });
  count(1, { event: "signup" });
  heartbeat.ratio(3, 4, { name: "cache" });
  const results: string[] = await heartbeat.time(async () => ["a"], { name: "search" });
  await heartbeat.flush();
  // @ts-expect-error a value is a number, not its string
  heartbeat.count("1");
  // @ts-expect-error there is no such call
  window.heartbeat.q?.push(["counts", 1]);
  return results.length + heartbeat.dropped;
}

export function reads() {
  const s = declaredReader.open({ stream: "ID", key: "rk_1", by: ["country"], agg: "sum,ratio", step: 10, window: "1h" });
  s.onchange = ({ view }) => console.log(view.times, s.series.map(({ labels, sum }) => [labels.country, sum.at(-1)]));
  // @ts-expect-error a stream is required
  declaredReader.open({ key: "rk_1" });
  // @ts-expect-error states are words of their own
  return s.state === "connected" || s.problem?.retryAfter_s;
}

export async function draws() {
  const el = document.createElement("heartbeat-chart");
  el.addEventListener("heartbeat-zoom", ({ detail }) => el.zoom(detail && { from: detail.from, to: detail.to }));
  el.addEventListener("heartbeat-select", ({ detail }) => console.log(detail.labels.country));
  el.data = null;
  el.toggle(el.lines[0].id);
  return (await el.toBlob())?.size;
}
