// @ts-check
/** A failure of the API, in the words of its problem document (RFC 9457). */

/** @typedef {{ index?: number, field?: string, message: string }} Fault why a point was refused */

/** An answer that is not a success, or no answer at all (status 0). */
export class Problem extends Error {
  /**
   * @param {object} problem
   * @param {number} problem.status
   * @param {string} problem.title
   * @param {string} [problem.detail]
   * @param {string} [problem.type] a link to what it means
   * @param {Fault[]} [problem.errors]
   * @param {number} [problem.retryAfter_s]
   */
  constructor({ status, title, detail = "", type = "", errors = [], retryAfter_s = 0 }) {
    super(title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.type = type;
    this.errors = errors;
    this.retryAfter_s = retryAfter_s;
  }
}

/** @param {Response} response not a success */
export async function problemOf(response) {
  const { status } = response;
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const body = isProblem ? await response.json() : {};
  return new Problem({
    ...body,
    status,
    title: body.title ?? `The server answered ${status}`,
    retryAfter_s: Number(response.headers.get("Retry-After")) || 0,
  });
}

export function noAnswer() {
  return new Problem({
    status: 0,
    title: "No answer from the server",
    detail: "The connection failed or took too long, or the answer was not JSON.",
  });
}

/**
 * Whether the same request may succeed later; 501 never will.
 * @param {Problem} problem
 */
export function isRetried({ status }) {
  return status === 0 || status === 408 || status === 429 || (status >= 500 && status !== 501);
}
