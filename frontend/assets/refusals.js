/** Events that were late or refused, and why the newest ones were. */

import { byId, element, keepingFocus, reconcile, setNumber, setText, userText } from "./dom.js";
import { dateAndTime, number, span, time } from "./format.js";
import { showEmpty } from "./ranking.js";

/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Rejection} Rejection */

/** @param {Metrics} metrics */
export function showQuality({ events }) {
  setNumber(byId("late"), events.late);
  setNumber(byId("rejected"), events.rejected);
  byId("rejected").classList.toggle("alarming", events.rejected > 0);
  setText(byId("quality-definition"), `Counted by arrival in the last ${span(events.window_seconds)}.`);
}

/** @param {Rejection[] | null} rejections null when they could not be read */
export function showRefusals(rejections) {
  const list = byId("refusals");
  showEmpty("refusals-empty", !rejections?.length, rejections ? "None. Every event kept the contract." : "Cannot be read at the moment.");
  if (!rejections) return;
  keepingFocus(list, () => reconcile(list, named(rejections), ([name]) => name, ([, it]) => create(it), () => {}), byId("quality-title"));
}

/** Each refusal with a name of its own: two may be alike in all they say. @param {Rejection[]} rejections @returns {[string, Rejection][]} */
function named(rejections) {
  /** @type {Map<string, number>} */
  const alike = new Map();
  return rejections.map((it) => {
    const name = JSON.stringify(it);
    alike.set(name, (alike.get(name) ?? 0) + 1);
    return [`${name}${alike.get(name)}`, it];
  });
}

/** @param {Rejection} it */
function create(it) {
  const at = new Date(it.rejected_at);
  const when = element("time", { datetime: it.rejected_at, title: dateAndTime(at) }, time(at));
  const code = element("code", {}, userText(it.code));
  const times = it.count > 1 ? element("strong", {}, ` × ${number(it.count)}`) : "";
  const why = element("p", {}, userText(it.pointer ? `${it.pointer}: ${it.detail}` : it.detail));
  const head = element("p", { class: "what" }, when, " ", code, times);
  if (it.event === null) return element("li", {}, head, why);
  const sent = element("pre", { tabindex: "0", role: "group", "aria-label": "The refused event" }, userText(it.event));
  return element("li", {}, head, why, element("details", {}, element("summary", {}, "What was sent"), sent));
}
