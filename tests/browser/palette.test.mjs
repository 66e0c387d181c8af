// @ts-check

import assert from "node:assert/strict";
import { test } from "node:test";
import { DARK, LIGHT, OTHER, SLOTS, mix, strokeOf } from "../../public/chart/palette.mjs";

/**
 * How colours look without red, green or blue cones: Machado, Oliveira and Fernandes 2009, severity 1, on linear light.
 */
const SIMULATIONS = {
  "full sight": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

/** The distance that two colours must have in OKLab; 0.02 is just noticeable for large areas side by side. */
const APART = 0.09;

/** @param {string} hex */
function linear(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
}

/** Ottosson 2020. @param {number[]} rgb linear */
function oklab([r, g, b]) {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

/** @param {number[][]} matrix @param {number[]} rgb */
function seen(matrix, rgb) {
  return matrix.map((row) => Math.min(Math.max(row.reduce((sum, factor, i) => sum + factor * rgb[i], 0), 0), 1));
}

/** WCAG's. @param {string} a @param {string} b */
function contrast(a, b) {
  const [high, low] = [a, b].map((hex) => linear(hex).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05)).sort((x, y) => y - x);
  return high / low;
}

for (const [name, colours, ground] of /** @type {const} */ ([["light", LIGHT, "#ffffff"], ["dark", DARK, "#171c22"]])) {
  test(`any two of the ${name} colours are apart for everybody`, () => {
    for (const [sight, matrix] of Object.entries(SIMULATIONS)) {
      const labs = colours.map((colour) => oklab(seen(matrix, linear(colour))));
      for (let i = 0; i < labs.length; i++) {
        for (let j = 0; j < i; j++) {
          const distance = Math.hypot(...labs[i].map((value, k) => value - labs[j][k]));
          // Blue-blindness is a thousand times rarer than the others.
          assert.ok(distance > (sight === "tritanopia" ? 0.75 : 1) * APART, `${colours[i]} and ${colours[j]} with ${sight}: ${distance.toFixed(3)}`);
        }
      }
    }
  });

  test(`each of the ${name} colours stands out from the ground`, () => {
    for (const colour of colours) assert.ok(contrast(colour, ground) >= 3, `${colour}: ${contrast(colour, ground).toFixed(2)}`);
  });
}

test("with dashes, more series than colours still differ", () => {
  const theme = [...LIGHT, "#777777", "#000000", "#ffffff"];
  const looks = Array.from({ length: SLOTS * 4 }, (_, slot) => JSON.stringify(strokeOf(slot, theme)));
  assert.equal(new Set(looks).size, looks.length);
  assert.deepEqual(strokeOf(OTHER, theme), { colour: "#777777", dash: [4, 4] });
});

test("colours mix, and anything but #rrggbb stays", () => {
  assert.equal(mix("#000000", "#ffffff", 0.5), "#808080");
  assert.equal(mix("rgba(0, 0, 0, 0.5)", "#ffffff", 0.5), "rgba(0, 0, 0, 0.5)");
});
