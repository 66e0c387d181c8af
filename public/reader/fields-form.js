// @ts-check
/** A form that passes on its fields by name, trimmed. */

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
