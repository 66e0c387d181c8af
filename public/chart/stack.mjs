// @ts-check
/** Stacks columns on top of each other. Pure. */

/** @import { Column } from "../live/view.mjs" */

/**
 * Each column plus all columns before it. A gap counts as zero where another column has a value, and stays a gap where
 * none has.
 * @param {Column[]} columns of one length
 * @returns {Column[]}
 */
export function stack(columns) {
  if (columns.length === 0) return [];
  const height = /** @type {Column} */ (columns[0].map((_, i) => (columns.some((column) => column[i] !== null) ? 0 : null)));
  return columns.map((column) => {
    for (let i = 0; i < height.length; i++) {
      const below = height[i];
      if (below !== null) height[i] = below + (column[i] ?? 0);
    }
    return height.slice();
  });
}
