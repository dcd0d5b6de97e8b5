/** A list of named counts as bars; rows keep their place calmly and slide when they change it. */

import { byId, element, keepingFocus, reconcile, setAttribute, setNumber, setText, userText } from "./dom.js";
import { shorten } from "./format.js";

/** @typedef {{name: string, count: number, href?: string}} Row */

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} heading where the focus goes when the row that had it is gone
 * @param {(count: number) => string} unit words for a listener, as in `210 views`
 * @param {number} places rows to hold a place for until there are numbers
 */
export function ranking(list, heading, unit, places) {
  list.replaceChildren(...Array.from({ length: places }, () => element("li", { class: "skeleton" }, "\u00a0")));
  return (/** @type {Row[]} */ rows) => {
    list.querySelectorAll(":scope > .skeleton").forEach((row) => row.remove());
    const most = Math.max(1, ...rows.map((row) => row.count));
    const update = (/** @type {HTMLElement} */ node, /** @type {Row} */ row) => show(node, row, most, unit);
    keepingFocus(list, () => reconcile(list, rows, (row) => row.name, create, update), heading);
  };
}

/** @param {Row} row */
function create({ name, href }) {
  const text = userText(shorten(name));
  const label = href ? element("a", { class: "label", href }, text) : element("span", { class: "label" }, text);
  label.title = name;
  const count = element("span", { class: "count" }, element("span", { "aria-hidden": "true" }), element("span", { class: "unseen" }));
  return element("li", {}, element("span", { class: "bar" }), label, count);
}

/** @param {HTMLElement} node @param {Row} row @param {number} most @param {(count: number) => string} unit */
function show(node, { count, href }, most, unit) {
  node.style.setProperty("--share", String(count / most));
  const [seen, heard] = /** @type {NodeListOf<HTMLElement>} */ (node.querySelectorAll(".count > span"));
  setNumber(seen, count);
  setText(heard, unit(count));
  if (href) setAttribute(/** @type {Element} */ (node.querySelector("a")), "href", href);
}

/** Say why a list is empty, or nothing. @param {string} id @param {boolean} empty @param {string} words */
export function showEmpty(id, empty, words) {
  const node = byId(id);
  node.hidden = !empty;
  setText(node, empty ? words : "");
}
