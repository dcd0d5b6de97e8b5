/**
 * Building and updating the page. Text from events enters only through `textContent`, and nodes are
 * touched only where something changed: focus, selection and scroll positions stay.
 */

import { figure, number } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
}

/** @param {string} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** @param {string} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** @template {Element} E @param {E} node @param {Record<string, string>} attributes @param {(Node | string)[]} children @returns {E} */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** @param {Element} node @param {string} text @returns {boolean} whether it changed */
export function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/** @param {Element} node @param {string} name @param {string} value */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Sent text: isolated, so that its direction cannot disturb what stands beside it. @param {string} text */
export const userText = (text) => element("bdi", { dir: "auto" }, text);

export const motionAllowed = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Set a number, abbreviated if huge; later changes flash briefly. @param {HTMLElement} node @param {number} count */
export function setNumber(node, count) {
  const text = figure(count);
  setAttribute(node, "title", text === number(count) ? "" : number(count));
  const first = node.querySelector(".skeleton") !== null || node.textContent === "";
  if (setText(node, text) && !first && motionAllowed()) {
    node.animate([{ opacity: 0.35 }, { opacity: 1 }], { duration: 600, easing: "ease-out" });
  }
}

/**
 * Make the children of `list` be `items`, in order, reusing a child with the same key.
 *
 * The child that holds the focus or the selection is never moved, because moving it would lose
 * them: the others are placed around it.
 *
 * @template T
 * @param {HTMLElement} list
 * @param {T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T) => HTMLElement} create
 * @param {(node: HTMLElement, item: T) => void} update
 */
export function reconcile(list, items, key, create, update) {
  const children = /** @type {HTMLElement[]} */ ([...list.children]);
  const known = new Map(children.map((child) => [child.dataset.key, child]));
  const before = new Map(children.map((child) => [child, child.offsetTop]));
  const wanted = items.map((item) => {
    const name = key(item);
    const node = known.get(name) ?? create(item);
    node.dataset.key = name;
    update(node, item);
    return node;
  });
  const staying = new Set(wanted);
  for (const child of children) if (!staying.has(child)) child.remove();
  place(list, wanted);
  if (motionAllowed()) for (const node of wanted) glide(node, before.get(node));
}

/** @param {HTMLElement} list @param {HTMLElement[]} wanted */
function place(list, wanted) {
  const selected = getSelection();
  const holds = (/** @type {HTMLElement} */ node) =>
    node.contains(document.activeElement) ||
    (selected !== null && !selected.isCollapsed && node.contains(selected.anchorNode));
  const fixed = Math.max(0, wanted.findIndex((node) => node.parentNode === list && holds(node)));
  if (wanted[fixed] && wanted[fixed].parentNode !== list) list.append(wanted[fixed]);
  for (let i = fixed - 1; i >= 0; i -= 1) {
    if (wanted[i].nextSibling !== wanted[i + 1]) list.insertBefore(wanted[i], wanted[i + 1]);
  }
  for (let i = fixed + 1; i < wanted.length; i += 1) {
    if (wanted[i].previousSibling !== wanted[i - 1]) wanted[i - 1].after(wanted[i]);
  }
}

/** Let a row slide from its old place to its new one. @param {HTMLElement} node @param {number | undefined} from */
function glide(node, from) {
  if (from === undefined || from === node.offsetTop) return;
  node.animate([{ transform: `translateY(${from - node.offsetTop}px)` }, { transform: "none" }], {
    duration: 500,
    easing: "cubic-bezier(.2,.7,.2,1)",
  });
}

/** Move the focus to `heading` if `change` removes what had it. @param {HTMLElement} list @param {() => void} change @param {HTMLElement} heading */
export function keepingFocus(list, change, heading) {
  const held = list.contains(document.activeElement);
  change();
  if (held && !list.contains(document.activeElement)) heading.focus({ preventScroll: true });
}

/**
 * The table behind a chart, made when it is opened and renewed while it is open.
 *
 * @param {HTMLElement} details
 * @param {string} caption
 * @param {string[]} heads
 * @param {() => string[][]} rows the first cell of a row names it
 */
export function table(details, caption, heads, rows) {
  const body = /** @type {HTMLTableSectionElement} */ (element("tbody"));
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const scroller = element("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, head), body));
  details.append(scroller);
  const show = () => {
    if (!(/** @type {HTMLDetailsElement} */ (details).open)) return;
    const all = rows();
    while (body.rows.length > all.length) body.lastElementChild?.remove();
    all.forEach((cells, row) => setRow(body, row, cells));
  };
  details.addEventListener("toggle", show);
  return show;
}

/** @param {HTMLTableSectionElement} body @param {number} row @param {string[]} cells */
function setRow(body, row, cells) {
  const line = body.rows[row] ?? body.appendChild(element("tr"));
  cells.forEach((text, column) => {
    const cell = line.children[column] ?? line.appendChild(
      element(column ? "td" : "th", column ? {} : { scope: "row" }, userText("")));
    setText(/** @type {Element} */ (cell.firstElementChild), text);
  });
}
