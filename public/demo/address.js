// @ts-check
/** What the demo's address says: `?stream=ID`, and `&label=NAME` where it is another one. */

const query = new URLSearchParams(location.search);

/** The stream's id; empty where none is named. */
export const stream = query.get("stream") ?? "";

/** The label that tells one page from another; the stream counts its values and does not keep them. */
export const label = query.get("label") || "client_id";
