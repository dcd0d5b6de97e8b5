/** The newest stored events, while somebody looks: the place to see whether an integration works. */

import * as api from "./api.js";
import { byId, element, reconcile, setAttribute, setText, userText } from "./dom.js";
import { age, time, visible } from "./format.js";
import { showEmpty } from "./ranking.js";
import { Refresher } from "./refresher.js";

/** @typedef {api.StoredEvent} StoredEvent */

const SHOWN = 50;
const SEARCHED = 200; // of which one type is picked

export function events() {
  const panel = /** @type {HTMLDetailsElement} */ (byId("events"));
  const [user, type] = /** @type {HTMLInputElement[]} */ ([byId("events-user"), byId("events-type")]);
  const pause = byId("events-pause");
  let paused = false;

  async function load() {
    const found = await api.events({ limit: type.value ? SEARCHED : SHOWN, user: user.value });
    const wanted = found.filter((it) => !type.value || it.event_type === type.value).slice(0, SHOWN);
    showEmpty("events-empty", !wanted.length, found.length ? `None of that type among the newest ${SEARCHED}.` : "No such event is stored.");
    reconcile(byId("events-list"), named(wanted), ([name]) => name, ([, it]) => create(it), () => {});
  }
  const refresher = new Refresher(load, (state) => {
    if (!state.busy) setText(byId("events-state"), paused ? "Paused: nothing moves." : state.failure ? `${state.failure.message}.` : "");
  });
  const look = () => refresher.pause(paused || !panel.open);

  refresher.pause(true);
  refresher.setLive(true);
  panel.addEventListener("toggle", look);
  pause.addEventListener("click", () => {
    paused = !paused;
    setAttribute(pause, "aria-pressed", String(paused));
    look();
  });
  byId("events-filters").addEventListener("submit", (event) => event.preventDefault());
  for (const field of [user, type]) field.addEventListener("change", () => void refresher.askAnew());
  refresher.start();
}

/** Pair each event with a unique key: two without an id may be identical. @param {StoredEvent[]} found @returns {[string, StoredEvent][]} */
function named(found) {
  /** @type {Map<string, number>} */
  const alike = new Map();
  return found.toReversed().map((it) => {
    const name = it.event_id ?? JSON.stringify(it);
    alike.set(name, (alike.get(name) ?? 0) + 1);
    return /** @type {[string, StoredEvent]} */ ([`${name} ${alike.get(name)}`, it]);
  }).reverse();
}

/** @param {StoredEvent} it */
function create(it) {
  const received = new Date(it.received_at);
  const behind = received.getTime() - Date.parse(it.occurred_at);
  const late = it.late ? element("strong", { class: "late" }, `late by ${age(behind)}`) : "";
  const head = element("summary", {},
    element("time", { datetime: it.received_at }, time(received)), element("code", {}, userText(visible(it.event_type))),
    userText(visible(it.page_url)), userText(visible(it.user_id)), late);
  return element("li", {}, element("details", {}, head, element("pre", { tabindex: "0", role: "group", "aria-label": "The event as stored" }, userText(JSON.stringify(it, null, 1)))));
}
