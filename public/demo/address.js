// @ts-check
/** The demo's address: `?stream=ID`, and `&label=NAME` for another label. */

const query = new URLSearchParams(location.search);

/** The stream's id; empty where the address has none. */
export const stream = query.get("stream") ?? "";

/** The label with the id of a page; the stream counts its values and does not keep them. */
export const label = query.get("label") || "client_id";
