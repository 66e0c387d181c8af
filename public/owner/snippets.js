// @ts-check
/**
 * Snippets for one stream: for each kind of writer and reader, a few lines that work as they are. A test runs them.
 * Pure.
 */

/**
 * @typedef {object} Facts
 * @property {string} origin of the deployment
 * @property {string} id of the stream
 * @property {string} key the read key; empty where the page does not know it
 * @property {string} [writeKey] absent or empty where writers need none
 * @property {boolean} isPublic whether reading needs no key
 * @property {string[]} distinct the labels whose values are counted
 * @property {number} shards
 */

/**
 * @typedef {object} Snippet
 * @property {string} id
 * @property {"write" | "read"} kind
 * @property {string} title
 * @property {string} when says whom it is for, in a sentence
 * @property {"sh" | "html" | "python" | "javascript" | "yaml"} language
 * @property {string} text
 * @property {string} [note]
 */

/** In place of a key that the page does not know. */
export const KEY_PLACE = "READ_KEY";
export const WRITE_KEY_PLACE = "WRITE_KEY";

/** @param {Facts} facts @returns {Snippet[]} */
export function snippets(facts) {
  const writers = [curl, script, beacon, logging, client, statsd, otlp, pixel, form, appnet];
  // A stream with several shards has no messages to read.
  const readers = facts.shards > 1 ? [rollup, chart, reader, grafana, prometheus] : [rollup, chart, reader, grafana, prometheus, messages];
  return [...writers, ...readers].map((made) => made(facts));
}

/** The dashboard of the stream, with the key in the fragment, which browsers don't send. @param {Facts} facts */
export function dashboard({ origin, id, key }) {
  return `${origin}/?stream=${encodeURIComponent(id)}${key ? `#key=${encodeURIComponent(key)}` : ""}`;
}

/** The key of a writer that sets headers. @param {Facts} facts */
function authorization({ writeKey }) {
  return writeKey ? ` \\\n  -H 'Authorization: Bearer ${writeKey}'` : "";
}

/** The key of a writer that sets no headers. @param {Facts} facts @param {string} then further parameters */
function query({ writeKey }, then = "") {
  return [writeKey && `key=${writeKey}`, then].filter(Boolean).map((part, i) => (i ? "&amp;" : "?") + part).join("");
}

/** @param {Facts} facts */
function argument({ writeKey }) {
  return writeKey ? `, write_key="${writeKey}"` : "";
}

/** @param {Facts} facts @param {string} [note] */
function seen({ writeKey }, note = "") {
  return [note, writeKey && "Every visitor of the page can read the key: only for pages of an intranet."].filter(Boolean).join(" ");
}

/** @param {Facts} facts @returns {Snippet} */
function curl(facts) {
  return {
    id: "curl", kind: "write", title: "curl", language: "sh",
    when: "For shell scripts and cron jobs, and for a first test.",
    text: `curl -X POST ${at(facts)}/points${authorization(facts)} \\\n  -d '{"n":1,"v":{"event":"signup"}}'`,
    note: "n is how many, d out of how many, p over how many seconds, v the labels.",
  };
}

/** @param {Facts} facts @returns {Snippet} */
function script(facts) {
  const { origin, id, distinct, writeKey } = facts;
  const key = writeKey ? `\n  data-key="${attribute(writeKey)}"` : "";
  const counted = distinct.length ? `\n  data-distinct="${attribute(distinct[0])}"` : "";
  return {
    id: "script", kind: "write", title: "Web page", language: "html",
    when: "Page views, errors and presence, from every page with this tag.",
    text: `<script defer src="${origin}/heartbeat.js"\n  data-stream="${attribute(id)}"${key}${counted}></script>`,
    note: seen(facts, `Your own code counts with heartbeat.count(1, { event: "signup" }). A strict CSP needs script-src and connect-src ${origin}.`),
  };
}

/** @param {Facts} facts @returns {Snippet} */
function beacon(facts) {
  return {
    id: "beacon", kind: "write", title: "JavaScript", language: "javascript",
    when: "One line in a page or an app, with nothing to load. It works even while the page closes.",
    text: `navigator.sendBeacon(\n  "${at(facts)}/points${query(facts)}",\n  JSON.stringify({ n: 1, v: { event: "click" } }),\n);`,
    note: seen(facts),
  };
}

/** @param {Facts} facts @returns {Snippet} */
function logging(facts) {
  return {
    id: "logging", kind: "write", title: "Python logging", language: "python",
    when: "Errors that a Python program logs, by exception, logger and level.",
    text: `import logging\n\nfrom heartbeat_stream import HeartbeatHandler\n\nlogging.getLogger().addHandler(\n    HeartbeatHandler("${at(facts)}"${argument(facts)})\n)`,
    note: INSTALL,
  };
}

/** @param {Facts} facts @returns {Snippet} */
function client(facts) {
  return {
    id: "client", kind: "write", title: "Python", language: "python",
    when: "Counters, timers, gauges and ratios of a Python program.",
    text: `from heartbeat_stream import Client\n\nmetrics = Client("${at(facts)}"${argument(facts)})\nmetrics.incr("signup", plan="free")\nwith metrics.timer("checkout"):\n    ...`,
    note: INSTALL,
  };
}

/** @param {Facts} facts @returns {Snippet} */
function statsd(facts) {
  return {
    id: "statsd", kind: "write", title: "statsd relay", language: "sh",
    when: "Programs that speak statsd already: they send to 127.0.0.1:8125 as before.",
    text: `${facts.writeKey ? `HEARTBEAT_WRITE_KEY=${facts.writeKey} ` : ""}heartbeat statsd --to ${at(facts)} \\\n  --listen 127.0.0.1:8125`,
    note: `${INSTALL} To try it: echo "logins:1|c" | nc -u -w1 127.0.0.1 8125`,
  };
}

/** @param {Facts} facts @returns {Snippet} */
function otlp(facts) {
  return {
    id: "otlp", kind: "write", title: "OpenTelemetry", language: "sh",
    when: "For programs with an OpenTelemetry SDK: they need only these variables.",
    text: `export OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=${at(facts)}/otlp/v1/metrics\nexport OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta${facts.writeKey ? `\nexport OTEL_EXPORTER_OTLP_METRICS_HEADERS="Authorization=Bearer%20${facts.writeKey}"` : ""}`,
    note: "Without _PREFERENCE=delta, SDKs send running totals, which are rejected. docs/otlp.md says what becomes of each metric.",
  };
}

/** @param {Facts} facts @returns {Snippet} */
function pixel(facts) {
  return {
    id: "pixel", kind: "write", title: "Pixel", language: "html",
    when: "For mail, and for pages without scripts.",
    text: `<img src="${at(facts)}/pixel.gif${query(facts, "n=1&amp;v.event=open")}"\n  alt="" width="1" height="1">`,
    note: seen(facts),
  };
}

/** @param {Facts} facts @returns {Snippet} */
function form(facts) {
  return {
    id: "form", kind: "write", title: "Form", language: "html",
    when: "People's answers, without a script; the page stays open.",
    text: `<form method="post" action="${at(facts)}/points${query(facts)}">\n  <input type="hidden" name="n" value="1">\n  <button name="v.answer" value="yes">Yes</button>\n  <button name="v.answer" value="no">No</button>\n</form>`,
    note: seen(facts, "A hidden field “then” with a path such as /thanks opens that page afterwards."),
  };
}

/** @param {Facts} facts @returns {Snippet} */
function appnet(facts) {
  const { origin, id } = facts;
  return {
    id: "appnet", kind: "write", title: "app.net client", language: "sh",
    when: `For app.net clients of 2013: their API root is ${origin}/stream/0, and this stream is their channel.`,
    text: `curl -X POST ${origin}/stream/0/channels/${id}/messages${authorization(facts)} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"annotations":[{"type":"net.app.contrib.timeseries","value":{"n":1,"v":{"event":"join"}}}]}'`,
  };
}

/** @param {Facts} facts @returns {Snippet} */
function rollup(facts) {
  return {
    id: "rollup", kind: "read", title: "Read: curl", language: "sh",
    when: "The numbers of the last hour, minute by minute, as JSON.",
    text: `curl ${credential(facts)}\\\n  "${at(facts)}/rollup?from=-1h&step=1m&agg=sum,count"`,
    note: "by=LABEL groups, where=LABEL%3DVALUE filters, format=csv makes a spreadsheet.",
  };
}

/** @param {Facts} facts @returns {Snippet} */
function chart({ origin, id, key, isPublic }) {
  const credential = isPublic ? "" : ` key="${key || KEY_PLACE}"`;
  return {
    id: "chart", kind: "read", title: "Read: chart", language: "html",
    when: "A live chart in any page.",
    text: `<script type="module" src="${origin}/heartbeat-chart.mjs"></script>\n\n<heartbeat-chart stream="${id}"${credential} window="1h"></heartbeat-chart>`,
    note: isPublic ? "For by, agg, kind and more, see docs/reader.md." : "Visitors of the page get the key: use it only where they may read. For by, agg, kind and more, see docs/reader.md.",
  };
}

/** @param {Facts} facts @returns {Snippet} */
function reader({ origin, id, key, isPublic }) {
  const credential = isPublic ? "" : `, key: "${key || KEY_PLACE}"`;
  return {
    id: "reader", kind: "read", title: "Read: JavaScript", language: "javascript",
    when: "The rolled-up window of the last hour, kept up to date, for a module of your own.",
    text: `import * as heartbeat from "${origin}/reader.mjs";\n\nconst s = heartbeat.open({ stream: "${id}"${credential} });\ns.onchange = () => console.log(s.times, s.series);`,
  };
}

/** @param {Facts} facts @returns {Snippet} */
function grafana(facts) {
  const { key, isPublic } = facts;
  const password = isPublic ? "" : `\n    basicAuth: true\n    basicAuthUser: heartbeat\n    secureJsonData:\n      basicAuthPassword: ${key || KEY_PLACE}`;
  return {
    id: "grafana", kind: "read", title: "Read: Grafana", language: "yaml",
    when: "A Graphite data source, for Grafana's folder provisioning/datasources.",
    text: `apiVersion: 1\ndatasources:\n  - name: Heartbeat\n    type: graphite\n    access: proxy\n    url: ${at(facts)}/graphite\n    jsonData:\n      graphiteVersion: "1.1"${password}`,
    note: "You can also enter the same URL, user and password by hand when you add a data source in Grafana.",
  };
}

/** @param {Facts} facts @returns {Snippet} */
function prometheus({ origin, id, key, isPublic }) {
  const { protocol, host } = new URL(origin);
  const authorization = isPublic ? "" : `\n    authorization:\n      credentials: ${key || KEY_PLACE}`;
  return {
    id: "prometheus", kind: "read", title: "Read: Prometheus", language: "yaml",
    when: "A scrape target for Prometheus: counters since the stream began.",
    text: `scrape_configs:\n  - job_name: heartbeat\n    scheme: ${protocol.slice(0, -1)}\n    metrics_path: /v1/streams/${id}/metrics${authorization}\n    static_configs:\n      - targets: ["${host}"]`,
    note: "Without a Prometheus server, Grafana's Prometheus data source can query the stream itself: docs/prometheus.md.",
  };
}

/** @param {Facts} facts @returns {Snippet} */
function messages(facts) {
  return {
    id: "messages", kind: "read", title: "Read: app.net", language: "sh",
    when: "The points themselves, as the messages of a channel.",
    text: `curl ${credential(facts)}\\\n  "${facts.origin}/stream/0/channels/${facts.id}/messages?include_machine=1&include_annotations=1"`,
  };
}

const INSTALL = "Python 3.9 or later, with pip install ./clients/python from Heartbeat's repository.";

/** @param {Facts} facts */
function at({ origin, id }) {
  return `${origin}/v1/streams/${id}`;
}

/** @param {Facts} facts */
function credential({ key, isPublic }) {
  return isPublic ? "" : `-H 'Authorization: Bearer ${key || KEY_PLACE}' `;
}

/**
 * A text as the value of an attribute: unusual characters become numeric references, so that none can hide.
 * @param {string} text
 */
function attribute(text) {
  return text.replace(/[^\w .:/-]/gu, (char) => `&#${char.codePointAt(0)};`);
}
