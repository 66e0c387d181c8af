// @ts-check
/** One server at a time has a folder of data: two would each hold what they know of it, and miss what the other writes. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** What SQLite answers while another process has the lock. */
const SQLITE_BUSY = 5;

/** As long as it is open the lock is held. @type {import("node:sqlite").DatabaseSync | undefined} */
let held;

/**
 * Locks the folder until this process ends, however that ends: it is a lock of the kernel's on a file in the folder, which says
 * nothing by being there.
 * @param {string} folder made if it is missing
 * @returns {Promise<boolean>} whether it was free
 */
export async function lock(folder) {
  mkdirSync(folder, { recursive: true });
  const { DatabaseSync } = await sqlite();
  const database = new DatabaseSync(join(folder, "lock.sqlite"));
  try {
    // Nothing is ever written, so there is no journal either.
    database.exec("PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (/** @type {any} */ error) {
    if (error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
  held = database;
  return held.isOpen;
}

/** The one part of Node that takes locks of the kernel's. It is young, and Node says so once, to whoever reads our log. */
async function sqlite() {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return await import("node:sqlite").catch(() => {
      throw new Error(`Node ${process.version} has no node:sqlite; 22.13 and later have it`);
    });
  } finally {
    process.emitWarning = emitWarning;
  }
}
