/**
 * Types of what a deployment serves to pages: the global `heartbeat` of heartbeat.js, and the modules heartbeat.mjs,
 * reader.mjs and heartbeat-chart.mjs. Put this file into a TypeScript project: an import from any host then has its
 * types, as in `import { open } from "https://heartbeat.example/reader.mjs"`.
 *
 * tests/types/pages.ts checks it against the modules. docs/browser.md and docs/reader.md explain each name.
 */

declare namespace Heartbeat {
  /** Values become strings; null and undefined leave a label out. */
  type Labels = Record<string, string | number | boolean | bigint | null | undefined>;

  interface Point {
    n: number;
    /** 1 when absent. */
    d?: number;
    /** The seconds that the point covers, 0.001 to 86400; absent for a moment. */
    p?: number;
    /** Unix seconds; the server stamps a point without. */
    t?: number;
    v?: Labels;
  }

  interface Options {
    stream?: string;
    /** The deployment, where the script is served from elsewhere. */
    endpoint?: string;
    /** The write key; every visitor of the page can read it. */
    key?: string;
    labels?: Labels | (() => Labels);
    /** Returns the point, another one, or null to drop it. */
    beforeSend?: (point: Point & { v: Labels }) => Point | null | undefined;
    /** Above 0, at most 1. */
    sampleRate?: number;
    /** Seconds. */
    flushInterval?: number;
    exceptions?: boolean;
    exceptionBudget?: number;
    presence?: boolean;
    pageViews?: boolean;
    /** The name of the label that gets an id of the tab. */
    distinct?: string;
    keep?: boolean;
    doNotTrack?: boolean;
  }

  interface Calls {
    init(options: Options): void;
    count(n?: number, labels?: Labels): void;
    ratio(n: number, d: number, labels?: Labels): void;
    timing(ms: number, labels?: Labels): void;
    time<T>(run: () => T, labels?: Labels): T;
    send(point: Point): void;
    exception(reason: unknown, labels?: Labels): void;
    pageView(labels?: Labels): void;
    /** Resolves when the points that wait have been tried. */
    flush(): Promise<void>;
  }

  interface Writer extends Calls {
    /** How many points were not accepted, or are known not to have arrived. */
    readonly dropped: number;
    /** Only until the script has loaded. */
    readonly q?: Call[];
  }

  type Call = { [Name in keyof Calls]: [name: Name, ...args: Parameters<Calls[Name]>] }[keyof Calls];

  /** What a page sets before the script has loaded. */
  interface Stub extends Options {
    q?: Call[];
  }

  /** A value per step; null is a gap. */
  type Column = (number | null)[];

  /** A series as the API's `rollup` answers it: its labels, and a column for each aggregate. */
  type Series = { labels: Record<string, string>; other?: boolean } & Record<string, any>;

  interface View {
    /** Unix seconds; the window is `[from, to)`. */
    from: number;
    to: number;
    /** Seconds. */
    step: number;
    agg: string[];
    times: number[];
    /** Largest first. */
    series: Series[];
    /** The totals of each series over the window (`rate`: its complete steps); null where there is none. */
    totals: Record<string, number | null>[];
    /** Steps that begin here or later are still open. */
    until: number;
    parts?: { n: Column; d: Column }[];
  }

  interface ReaderOptions {
    stream: string;
    key?: string;
    by?: string | string[];
    where?: string | string[];
    agg?: string | string[];
    step?: string | number;
    window?: string | number;
    top?: number;
    host?: string;
  }

  type State = "connecting" | "live" | "offline" | "paused" | "denied" | "missing" | "refused" | "closed";

  interface Fault {
    index?: number;
    field?: string;
    message: string;
  }

  interface Problem extends Error {
    /** 0 where there was no answer. */
    status: number;
    title: string;
    detail: string;
    type: string;
    errors: Fault[];
    retryAfter_s: number;
  }

  interface Reader {
    onchange: ((reader: Reader) => void) | null;
    readonly state: State;
    readonly problem: Problem | null;
    readonly way: "websocket" | "events" | "deltas" | "rollup";
    readonly view: View;
    readonly from: number;
    readonly to: number;
    readonly step: number;
    readonly agg: string[];
    readonly times: number[];
    readonly series: Series[];
    readonly totals: Record<string, number | null>[];
    close(): void;
  }

  interface Span {
    from: number;
    to: number;
  }

  interface Line {
    id: string;
    name: { kind: "value" | "empty" | "missing" | "other" | "all"; text: string };
    agg: string;
    labels: Record<string, string>;
    slot: number;
    values: Column;
    latest: number | null;
    summary: number | null;
    summaryTitle: string;
    isPrevious: boolean;
    colour: string;
    dash: number[];
    isHidden: boolean;
  }

  interface Chart extends HTMLElement {
    /** An answer of `rollup` to show in place of a stream; null shows the stream again. */
    get data(): View | null;
    set data(data: Omit<View, "totals" | "until"> | View | null);
    readonly reader: Reader | null;
    readonly lines: Line[];
    readonly summaryTitle: string;
    readonly kind: "line" | "area" | "bars" | "number";
    toggle(id: string): void;
    zoom(span: Span | null): void;
    toBlob(type?: string): Promise<Blob | null>;
  }
}

/** Set by heartbeat.js. A constant here, as a variable would narrow what a page may set `window.heartbeat` to. */
declare const heartbeat: Heartbeat.Writer;

interface Window {
  get heartbeat(): Heartbeat.Writer;
  set heartbeat(stub: Heartbeat.Stub | Heartbeat.Writer);
}

interface HTMLElementTagNameMap {
  "heartbeat-chart": Heartbeat.Chart;
}

interface HTMLElementEventMap {
  "heartbeat-state": CustomEvent<{ state: Heartbeat.State | "data"; problem: Heartbeat.Problem | null }>;
  "heartbeat-zoom": CustomEvent<Heartbeat.Span | null>;
  "heartbeat-select": CustomEvent<{ agg: string; labels: Record<string, string> }>;
  "heartbeat-point": CustomEvent<{ step: number | null }>;
  "heartbeat-draw": CustomEvent<null>;
}

declare module "https://*/heartbeat.mjs" {
  const heartbeat: Heartbeat.Writer;
  export default heartbeat;
  export const init: Heartbeat.Calls["init"];
  export const count: Heartbeat.Calls["count"];
  export const ratio: Heartbeat.Calls["ratio"];
  export const timing: Heartbeat.Calls["timing"];
  export const time: Heartbeat.Calls["time"];
  export const send: Heartbeat.Calls["send"];
  export const exception: Heartbeat.Calls["exception"];
  export const pageView: Heartbeat.Calls["pageView"];
  export const flush: Heartbeat.Calls["flush"];
}

declare module "https://*/reader.mjs" {
  /** @throws {TypeError} that names the option */
  export function open(options: Heartbeat.ReaderOptions): Heartbeat.Reader;
  export const Problem: { new (problem: { status: number; title: string } & Partial<Heartbeat.Problem>): Heartbeat.Problem };
}

declare module "https://*/heartbeat-chart.mjs" {
  export const HeartbeatChart: { new (): Heartbeat.Chart };
}
