// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { CHART, START, formatAddress, parseAddress } from "../../public/reader/address.js";
import { formatDashboard, parseDashboard } from "../../public/reader/dashboard.js";

/** @type {import("../../public/reader/address.js").Address} */
const FULL = {
  stream: "s&1",
  key: "rk_a+b/c",
  from: "1792540800",
  to: "1792544400",
  zone: "utc",
  charts: [
    { label: "What & how?", agg: "sum", by: "country,city", where: ["country=A&B=C", "path=~/a?.*#", "name="], kind: "area", top: 50, compare: true },
    CHART,
    { ...CHART, agg: "distinct:client_id", where: ["x!=<b>"], kind: "number" },
  ],
};

test("an address holds the whole view and reads back unchanged", () => {
  const link = new URL(formatAddress(FULL), "https://heartbeat.example");
  assert.deepEqual(parseAddress(link.search, link.hash), FULL);
});

test("the key is in the fragment only", () => {
  const [search, fragment] = formatAddress(FULL).split("#");
  assert.ok(!search.includes("rk_"));
  assert.equal(new URLSearchParams(fragment).get("key"), FULL.key);
});

test("an address leaves out defaults", () => {
  assert.equal(formatAddress(START), "");
  assert.equal(formatAddress({ ...START, stream: "id" }), "?stream=id");
});

test("invalid values of an address become defaults", () => {
  assert.deepEqual(parseAddress("?from=yesterday&top=1e9&kind=pie&zone=moon&where=nothing&agg=%20", ""), START);
  assert.equal(parseAddress("?from=20&to=10", "").from, START.from);
  assert.equal(parseAddress("?from=-9999999d", "").from, START.from);
  assert.equal(parseAddress(`?${"chart=&".repeat(1000)}`, "").charts.length, 24);
});

test("times may be written as dates", () => {
  const { from, to } = parseAddress("?from=2026-10-20T00:00:00Z&to=2026-10-20T01:00:00Z", "");
  assert.deepEqual([from, to], ["1792454400", "1792458000"]);
});

test("a dashboard's file holds all charts and no key", () => {
  const text = formatDashboard(FULL);
  assert.ok(!text.includes("rk_"));
  const { key: _, ...rest } = FULL;
  assert.deepEqual(parseDashboard(text), rest);
});

test("a file that is not a dashboard is refused with a reason", () => {
  const mistake = (/** @type {unknown} */ file) => /** @type {any} */ (parseDashboard(typeof file === "string" ? file : JSON.stringify(file))).mistake;
  const good = JSON.parse(formatDashboard(FULL));
  assert.match(mistake("{"), /not JSON/);
  assert.match(mistake(null), /not JSON/);
  assert.match(mistake({}), /no “heartbeat_dashboard”/);
  assert.match(mistake({ ...good, heartbeat_dashboard: 2 }), /version 2/);
  assert.match(mistake({ ...good, stream: 1 }), /no stream/);
  assert.match(mistake({ ...good, to: 1 }), /time range/);
  assert.match(mistake({ ...good, charts: [] }), /no charts/);
  assert.match(mistake({ ...good, charts: Array(25).fill({}) }), /25 charts/);
  assert.equal(mistake(good), undefined);
  assert.deepEqual(/** @type {any} */ (parseDashboard(JSON.stringify({ ...good, charts: [{ agg: 7, by: {}, where: "x", kind: "toString", label: ["<b>"] }, null] }))).charts, [CHART, CHART]);
});
