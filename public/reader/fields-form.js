// @ts-check
/** A form that only hands on what was typed: the fields by name, without the spaces around them. */

/**
 * @param {HTMLFormElement} el
 * @param {(fields: Record<string, string>) => void} onsubmit
 */
export function mountFieldsForm(el, onsubmit) {
  el.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Array.from(new FormData(el), ([name, value]) => [name, String(value).trim()]);
    el.reset();
    onsubmit(Object.fromEntries(fields));
  });
}
