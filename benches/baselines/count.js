/**
 * Runs the Worker in index.js as it is, and counts what the platform bills of its objects: requests, alarms, and the rows
 * that workerd says each statement has read and written. `GET /bench/counts` tells the sums since the start.
 */
import * as counted from "./index.js";

const counts = { requests: 0, alarms: 0, rows_read: 0, rows_written: 0 };
/** @type {any} The last statement; by the next one all of its rows have been taken. */
let last;

function add() {
  counts.rows_read += last?.rowsRead ?? 0;
  counts.rows_written += last?.rowsWritten ?? 0;
  last = undefined;
}

/** Counts the statements of all objects: they share the prototype of their storage. @param {any} sql */
function countStatements(sql) {
  const prototype = Object.getPrototypeOf(sql);
  const { exec } = prototype;
  if (!exec.isCounting) {
    prototype.exec = Object.assign(
      function (/** @type {any[]} */ ...args) {
        add();
        last = exec.apply(this, args);
        return last;
      },
      { isCounting: true },
    );
  }
}

/** @param {any} Counted */
function counting(Counted) {
  return class extends Counted {
    /** @param {any} ctx @param {any} env */
    constructor(ctx, env) {
      countStatements(ctx.storage.sql);
      super(ctx, env);
    }

    /** @param {Request} request */
    fetch(request) {
      counts.requests += 1;
      return super.fetch(request);
    }

    alarm() {
      counts.alarms += 1;
      return super.alarm();
    }
  };
}

export const Stream = counting(counted.Stream ?? Object);
export const Rows = counting(counted.Rows ?? Object);

export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/bench/counts") {
      add();
      return Response.json(counts);
    }
    const worker = counted.default;
    return typeof worker === "function" ? new worker(ctx, env).fetch(request) : worker.fetch(request, env, ctx);
  },
};
