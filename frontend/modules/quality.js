/** Events that were late or refused, and why, by reason. */

import { byId, element, keepingFocus, reconcile, setNumber, setText, userText } from "./dom.js";
import { dateAndTime, number, span, time, visible } from "./format.js";
import { showEmpty } from "./ranking.js";

/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Rejection} Rejection */
/** All refusals of one reason, the newest first. @typedef {{reason: string, count: number, stories: Rejection[]}} Group */

const STORIES = 5; // told in full for one reason

/** @param {Metrics} metrics */
export function showQuality({ events }) {
  setNumber(byId("late"), events.late);
  setNumber(byId("rejected"), events.rejected);
  byId("rejected").classList.toggle("alarming", events.rejected > 0);
  for (const [id, word] of [["late", "Late"], ["rejected", "Refused"]]) setText(byId(`${id}-title`), `${word}, last ${span(events.window_seconds)}`);
}

/** @param {Rejection[] | null} rejections newest first; null when they could not be read @param {boolean} anything whether any event was ever sent */
export function showRefusals(rejections, anything) {
  const none = anything ? "None. Every event kept the contract." : "None. No event was sent yet.";
  showEmpty("refusals-empty", !rejections?.length, rejections ? none : "Cannot be read at the moment.");
  if (!rejections) return;
  const list = byId("refusals");
  keepingFocus(list, () => reconcile(list, byReason(rejections), (group) => group.reason, create, show), byId("quality-title"));
}

/** @param {Rejection[]} rejections @returns {Group[]} the reason that was met last first */
function byReason(rejections) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const it of rejections) {
    const reason = JSON.stringify([it.code, it.pointer]);
    const group = groups.get(reason) ?? { reason, count: 0, stories: [] };
    groups.set(reason, group);
    group.count += it.count;
    group.stories.push(it);
  }
  return [...groups.values()];
}

/** @param {Group} group */
function create({ stories: [{ code, pointer }] }) {
  const head = element("summary", {}, element("code", {}, userText(visible(code))), " ", element("span", { class: "pointer" }, userText(visible(pointer))), " ", element("strong"), " ", element("span", { class: "definition" }));
  return element("li", {}, element("details", {}, head, element("div", { class: "stories" })));
}

/** @param {HTMLElement} node @param {Group} group */
function show(node, { count, stories }) {
  setText(/** @type {Element} */ (node.querySelector("summary strong")), `× ${number(count)}`);
  const [oldest, newest] = [stories[stories.length - 1].first_rejected_at, stories[0].rejected_at].map((at) => time(new Date(at)));
  setText(/** @type {Element} */ (node.querySelector("summary .definition")), newest === oldest ? newest : `${oldest} to ${newest}`);
  const told = stories.slice(0, STORIES);
  reconcile(/** @type {HTMLElement} */ (node.querySelector(".stories")), told.map((it, i) => ({ it, i })), ({ it, i }) => `${JSON.stringify(it)}${told.length - i}`, ({ it }) => story(it), () => {});
}

/** @param {Rejection} it */
function story(it) {
  const at = new Date(it.rejected_at);
  const when = element("time", { datetime: it.rejected_at, title: dateAndTime(at) }, time(at));
  const times = it.count > 1 ? ` × ${number(it.count)}` : "";
  const why = element("p", {}, when, times, " ", userText(visible(it.detail)));
  if (it.event === null) return element("div", {}, why, element("p", { class: "definition" }, "Counted in a flood; what was sent was not kept."));
  return element("div", {}, why, element("pre", { tabindex: "0", role: "group", "aria-label": "The refused event" }, userText(it.event)));
}
