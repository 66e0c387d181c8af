// @ts-check
/**
 * One server at a time has a folder of data: each of two would keep a state of its own, and miss the other's writes.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** What SQLite answers while another process has the lock. */
const SQLITE_BUSY = 5;

/** Holds the lock while it is open. @type {import("node:sqlite").DatabaseSync | undefined} */
let held;

/**
 * Locks the folder until this process ends, however it ends: the kernel holds a lock on a file in the folder. The file
 * alone means nothing.
 * @param {string} folder made if it is missing
 * @returns {Promise<boolean>} whether it was free
 */
export async function lock(folder) {
  mkdirSync(folder, { recursive: true });
  const { DatabaseSync } = await sqlite();
  const database = new DatabaseSync(join(folder, "lock.sqlite"));
  try {
    // Nothing is ever written, so it needs no journal.
    database.exec("PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (/** @type {any} */ error) {
    if (error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
  held = database;
  return held.isOpen;
}

/**
 * The only part of Node that takes locks of the kernel. Node warns once that it is experimental, which nobody needs to
 * read.
 */
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
