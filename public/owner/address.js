// @ts-check
/** The page's state as its address: `?stream=ID` or `?new`, never with the token or a key. Pure. */

/** @typedef {{ view: "list" } | { view: "create", preset: "" | "demo" } | { view: "stream", id: string }} Place */

/** @param {string} search `location.search` @returns {Place} */
export function parsePlace(search) {
  const query = new URLSearchParams(search);
  const id = query.get("stream");
  if (id) return { view: "stream", id };
  if (query.has("new")) return { view: "create", preset: query.get("new") === "demo" ? "demo" : "" };
  return { view: "list" };
}

/** @param {Place} place @returns {string} for example `?stream=ID`; empty for the list */
export function formatPlace(place) {
  if (place.view === "stream") return `?${new URLSearchParams({ stream: place.id })}`;
  if (place.view === "create") return place.preset ? `?new=${place.preset}` : "?new";
  return "";
}
