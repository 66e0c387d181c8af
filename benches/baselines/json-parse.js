/** Parses the body and keeps nothing: the least that a JavaScript Worker can do with points. */
export default {
  /** @param {Request} request */
  async fetch(request) {
    const points = JSON.parse(await request.text());
    return Response.json({ accepted: Array.isArray(points) ? points.length : 1 }, { status: 202 });
  },
};
