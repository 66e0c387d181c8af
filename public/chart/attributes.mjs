// @ts-check
/** The attributes of `<heartbeat-chart>`: a question to the server, and a look. */

import { formats } from "./format.mjs";
import { SLOTS } from "./palette.mjs";

/** @import { Options } from "../live/query.mjs" */
/** @import { Formats } from "./format.mjs" */

/** A change of one of these attributes asks the server again. */
export const QUESTION = ["stream", "key", "by", "where", "agg", "step", "window", "top", "host"];

/** A change of one of these attributes draws the same numbers again. */
export const LOOK = ["kind", "stacked", "timezone", "label", "theme"];

/** The most series that a chart shows: the largest ones. */
const TOP = 100;

/**
 * The attributes as a page has written them; `open` checks them.
 * @param {Element} el
 * @returns {Options}
 */
export function questionOf(el) {
  const written = Object.fromEntries(QUESTION.map((name) => [name, el.getAttribute(name)?.trim() || undefined]));
  return /** @type {any} */ ({ ...written, where: wheresOf(written.where), top: written.top && Number(written.top) });
}

/**
 * How to group and how many series to show, whether the numbers come from a stream or from the page.
 * @param {Element} el
 */
export function groupingOf(el) {
  const by = listOf(el.getAttribute("by") ?? "").join(",");
  return { by, top: Number(el.getAttribute("top")) || TOP };
}

/** The aggregates to name in the title until numbers come. @param {Element} el */
export function aggregatesOf(el) {
  return (el.getAttribute("agg") ?? "sum").split(",");
}

/** @param {string} text */
function listOf(text) {
  return text.split(",").map((one) => one.trim()).filter(Boolean);
}

/** One matcher per line: a matcher may contain commas. @param {string} [where] */
function wheresOf(where = "") {
  return where.split("\n").map((one) => one.trim()).filter(Boolean);
}

/** @typedef {"line" | "area" | "bars" | "number"} Kind */

/**
 * The colours of the page, as #rrggbb where possible. `series` is what the palette takes.
 * @typedef {{ series: string[], muted: string, grid: string, ground: string, font: string }} Theme
 */

/** @param {Element} el @returns {Kind} */
export function kindOf(el) {
  const kind = el.getAttribute("kind");
  return kind === "area" || kind === "bars" || kind === "number" ? kind : "line";
}

/**
 * Reads the time zone and the theme when they are needed, and remembers them: both are slow to make.
 * @param {HTMLElement} el
 */
export function createLook(el) {
  let theme = /** @type {Theme | null} */ (null);
  let words = /** @type {{ zone: string, formats: Formats } | null} */ (null);

  function wordsNow() {
    const zone = zoneOf(el);
    return words?.zone === zone ? words : (words = { zone, formats: formats(undefined, zone || undefined) });
  }

  return {
    /** Numbers and times in the time zone that the page asks for. */
    get formats() { return wordsNow().formats; },
    /** A name such as `Europe/Berlin`; empty for the visitor's own. */
    get timeZone() { return wordsNow().zone; },
    get theme() { return (theme ??= themeOf(el)); },
    /** Forgets the theme, so that it is read again. */
    forget: () => void (theme = null),
  };
}

/** @param {Element} el @returns {string} empty where it is unknown: then the visitor's own is used */
function zoneOf(el) {
  const asked = el.getAttribute("timezone") ?? "local";
  const zone = asked === "local" ? "" : asked === "utc" ? "UTC" : asked;
  return isZone(zone) ? zone : "";
}

/** @param {string} zone */
function isZone(zone) {
  try {
    return Boolean(new Intl.DateTimeFormat(undefined, { timeZone: zone || undefined }));
  } catch {
    return false;
  }
}

/** @param {Element} el @returns {Theme} */
function themeOf(el) {
  const style = getComputedStyle(el);
  const colour = (/** @type {string} */ name) => hexOf(style.getPropertyValue(`--${name}`).trim());
  const slots = Array.from({ length: SLOTS }, (_, i) => colour(`series-${i}`));
  const [other, text, ground] = ["other", "text", "background"].map(colour);
  return { series: [...slots, other, text, ground], muted: colour("muted"), grid: colour("line"), ground, font: style.fontFamily };
}

/** An opaque colour as #rrggbb; any other one as it is. @param {string} colour */
function hexOf(colour) {
  const context = document.createElement("canvas").getContext("2d");
  if (!context || colour === "") return colour;
  context.fillStyle = colour;
  return String(context.fillStyle);
}
