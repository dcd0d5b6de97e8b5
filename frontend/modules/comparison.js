/** What changed against before: an arrow and words, never a colour alone. */

import { element, setAttribute, setText } from "./dom.js";
import { decimal, number } from "./format.js";

/** @typedef {{arrow: string, words: string, title?: string}} Change */

const ENOUGH = 20; // below so many, a percentage says more than is known

/** How far it moved: `12 %`, or `3` where there was little before. @param {number} now @param {number} before */
function amount(now, before) {
  const moved = Math.abs(now - before);
  if (before < ENOUGH) return number(moved);
  const percent = (100 * moved) / before;
  return `${percent < 10 ? decimal(percent) : number(Math.round(percent))} %`;
}

/** @param {number} now @param {number} before @param {string} when as in `up 12 % in 15 min` @returns {Change} */
export function changeOf(now, before, when) {
  const title = `${number(before)} then`;
  if (now === before) return { arrow: "=", words: `unchanged ${when}`, title };
  const up = now > before;
  return { arrow: up ? "▲" : "▼", words: `${up ? "up" : "down"} ${amount(now, before)} ${when}`, title };
}

/** As `changeOf`, for a row: the arrow and the amount are seen, the words are for a listener. @param {number} now @param {number} before @param {string} when */
export function shortChangeOf(now, before, when) {
  const { arrow, words } = changeOf(now, before, when);
  return { seen: now === before ? arrow : `${arrow} ${amount(now, before)}`, heard: words };
}

/** @param {HTMLElement} list @param {Change[]} changes */
export function showChanges(list, changes) {
  while (list.children.length > changes.length) list.lastElementChild?.remove();
  changes.forEach(({ arrow, words, title = "" }, i) => {
    const item = list.children[i] ?? list.appendChild(element("li", {}, element("span", { class: "arrow", "aria-hidden": "true" }), element("span")));
    setText(item.children[0], arrow);
    setText(item.children[1], words);
    setAttribute(item, "title", title);
  });
}
