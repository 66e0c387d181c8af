// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { AGGREGATES, RANGES, START, formatAddress, parseAddress } from "../../public/reader/address.js";

test("an address without parameters is the start page with its defaults", () => {
  assert.deepEqual(parseAddress("", ""), { stream: "", key: "", by: "", agg: "sum", from: "-1h" });
  assert.equal(formatAddress(START), "");
});

test("every address survives being written and read again", () => {
  for (const by of ["", "country", "<b>&=#?", "a b+c", "\u202Eabc", "日本"]) {
    for (const agg of AGGREGATES) {
      for (const from of RANGES) {
        const address = { stream: "id.mac_-", key: "rk_aZ09-_", by, agg, from };
        const { search, hash } = new URL(formatAddress(address), "https://example.com/");
        assert.deepEqual(parseAddress(search, hash), address);
      }
    }
  }
});

test("the key is written to the fragment and read from nowhere else", () => {
  const { search, hash } = new URL(formatAddress({ ...START, stream: "id", key: "rk_1" }), "https://example.com/");
  assert.equal(search, "?stream=id");
  assert.equal(hash, "#key=rk_1");
  assert.equal(parseAddress("?stream=id&key=rk_1", "").key, "");
});

test("an unknown aggregate or range becomes the default", () => {
  assert.deepEqual(parseAddress("?agg=constructor&from=-99y", ""), START);
});
