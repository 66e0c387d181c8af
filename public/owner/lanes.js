// @ts-check
/** Runs tasks a few at a time, in order. `clear` forgets those that have not started. Pure. */

/** @param {number} width how many run at a time */
export function createLanes(width) {
  let waiting = /** @type {(() => Promise<void>)[]} */ ([]);
  let running = 0;

  /** @param {() => Promise<void>} task must not fail */
  function add(task) {
    waiting.push(task);
    next();
  }

  function next() {
    const task = running < width ? waiting.shift() : undefined;
    if (!task) return;
    running += 1;
    task().finally(() => {
      running -= 1;
      next();
    });
    next();
  }

  function clear() {
    waiting = [];
  }

  return { add, clear };
}
