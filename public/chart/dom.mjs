// @ts-check
/** A few functions on the document. Strings become text and attributes, never markup. */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  el.append(...children);
  return el;
}

/**
 * Sets a text only where it differs: screen readers repeat a live region that is set again.
 * @param {Element} el
 * @param {string} text
 */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/**
 * The element that the page's markup must have.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(root, selector, type) {
  const el = root.querySelector(selector);
  if (!(el instanceof type)) throw new Error(`the page has no ${type.name} that matches ${selector}`);
  return el;
}

/**
 * A part of the page that loads when it is first needed.
 * @template T
 * @param {() => Promise<T>} load
 * @param {() => void} onload
 * @returns {{ readonly part: T | null, need: () => T | null }} null until it is there
 */
export function later(load, onload) {
  let part = /** @type {T | null} */ (null);
  let isAsked = false;

  function need() {
    if (!isAsked) load().then((loaded) => ((part = loaded), onload()));
    isAsked = true;
    return part;
  }

  return { need, get part() { return part; } };
}

/** Whether the page displays an element. @param {HTMLElement} el */
export function isDisplayed(el) {
  return !el.hidden && getComputedStyle(el).display !== "none";
}

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} attributes
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes, ...children) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  el.append(...children);
  return el;
}

/** A user's words within a sentence of ours: isolated, they can't change its direction. @param {string} text */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}
