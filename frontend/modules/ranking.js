/** A list of named counts as bars; rows keep their place calmly and slide when they change it. */

import { byId, element, keepingFocus, reconcile, setAttribute, setNumber, setText, userText } from "./dom.js";
import { visible } from "./format.js";

/** `change` is what `shortChangeOf` says. @typedef {{name: string, count: number, href?: string, share?: string, change?: {seen: string, heard: string}}} Row */

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
  const label = element(href ? "a" : "span", href ? { class: "label", href } : { class: "label" }, userText(visible(name)));
  label.title = name;
  const beside = (/** @type {string} */ what) => element("span", { class: what }, element("span", { "aria-hidden": "true" }), element("span", { class: "unseen" }));
  return element("li", {}, element("span", { class: "bar" }), label, beside("change"), beside("share"), beside("count"));
}

/** @param {HTMLElement} node @param {Row} row @param {number} most @param {(count: number) => string} unit */
function show(node, { count, href, share = "", change = { seen: "", heard: "" } }, most, unit) {
  node.style.setProperty("--share", String(count / most));
  const [, label, ...beside] = /** @type {HTMLElement[]} */ ([...node.children]);
  if (href) setAttribute(label, "href", href);
  const [changed, shared, counted] = /** @type {[HTMLElement, HTMLElement][]} */ (beside.map((it) => [...it.children]));
  setText(changed[0], change.seen);
  setText(changed[1], change.heard);
  setText(shared[0], share);
  setText(shared[1], share && `${share} of all`);
  setNumber(counted[0], count);
  setText(counted[1], unit(count));
}

/** Say why a list is empty, or nothing. @param {string} id @param {boolean} empty @param {string} words */
export function showEmpty(id, empty, words) {
  const node = byId(id);
  node.hidden = !empty;
  setText(node, empty ? words : "");
}
