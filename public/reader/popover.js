// @ts-check
/** The place of a popover. */

/**
 * Places it under its anchor, or above where there is more room, within the window.
 * @param {HTMLElement} popover
 * @param {HTMLElement} anchor
 */
export function placeUnder(popover, anchor) {
  const [at, size] = [anchor.getBoundingClientRect(), popover.getBoundingClientRect()];
  const left = Math.max(Math.min(at.left, innerWidth - size.width - 12), 12);
  const below = at.bottom + 6;
  const top = below + size.height <= innerHeight - 12 ? below : Math.max(at.top - size.height - 6, 12);
  popover.style.setProperty("left", `${left + scrollX}px`);
  popover.style.setProperty("top", `${top + scrollY}px`);
}
