/** What one would write by hand: an object that keeps a row per bucket and labels, and upserts it for each point. */
import { DurableObject } from "cloudflare:workers";

const BUCKET_S = 10;

export default {
  /** @param {Request} request @param {any} env */
  fetch(request, env) {
    return env.OBJECTS.get(env.OBJECTS.idFromName("points")).fetch(request);
  },
};

export class Rows extends DurableObject {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS points (bucket INTEGER, labels TEXT, n REAL, d REAL, count INTEGER,
        PRIMARY KEY (bucket, labels)) WITHOUT ROWID`,
    );
  }

  /** The answer leaves when the rows are durable: the platform's output gate sees to it. @param {Request} request */
  async fetch(request) {
    const body = await request.json();
    const points = Array.isArray(body) ? body : [body];
    const now = Date.now() / 1000;
    for (const { n, d = 1, v = {}, t = now } of points) {
      const labels = JSON.stringify(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)));
      this.sql.exec(
        `INSERT INTO points VALUES (?, ?, ?, ?, 1)
          ON CONFLICT DO UPDATE SET n = n + excluded.n, d = d + excluded.d, count = count + 1`,
        Math.floor(t / BUCKET_S) * BUCKET_S,
        labels,
        n,
        d,
      );
    }
    return Response.json({ accepted: points.length }, { status: 202 });
  }
}
