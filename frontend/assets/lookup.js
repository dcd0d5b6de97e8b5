/** One user's active sessions, named by the address: `#user=…`. */

import { go, read } from "./address.js";
import { announce } from "./announcer.js";
import { Unanswered, sessionsOf } from "./api.js";
import { byId, element, reconcile, setText, userText } from "./dom.js";
import { age, counted, number, shorten, span } from "./format.js";

/** @typedef {import("./api.js").UserAnswer} UserAnswer */

/** The user on show; an answer for another one comes too late. */
let wanted = "";
/** Whether the reader asked just now, and is to hear the result. */
let asked = false;

/** @returns {() => Promise<void>} asks again for the user on show */
export function lookup() {
  const form = byId("lookup");
  const field = /** @type {HTMLInputElement} */ (byId("lookup-user"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const user = field.value.trim();
    asked = true;
    if (user === wanted) void refresh();
    else go({ user });
  });
  const follow = () => {
    const { user } = read();
    if (user === wanted) return;
    wanted = user;
    field.value = user;
    asked = true;
    open(user);
  };
  follow();
  addEventListener("hashchange", () => {
    follow();
    if (asked) void refresh();
  });
  return refresh;
}

/** @param {string} user */
function open(user) {
  const found = byId("found");
  found.hidden = !user;
  if (!user) return found.replaceChildren();
  const close = element("button", { type: "button", class: "link" }, "Close");
  close.addEventListener("click", () => {
    go({ user: "" });
    byId("lookup-user").focus();
  });
  const name = userText(shorten(user, 60));
  name.title = user;
  found.replaceChildren(
    element("div", { class: "title" }, element("h3", { id: "found-title" }, name), close),
    element("p", { class: "summary" }, "Looking up…"),
    element("ol", { class: "visits", tabindex: "0", "aria-label": "Active sessions" }));
}

async function refresh() {
  const user = wanted;
  if (!user) return;
  try {
    const answer = await sessionsOf(user);
    if (user === wanted) show(answer);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    if (user === wanted) say(error.kind === "key" ? "A key is needed to look a user up." : `Not looked up: ${error.message}.`);
  }
}

/** @param {UserAnswer} answer */
function show(answer) {
  const past = span(answer.window_seconds);
  const cut = answer.sessions > answer.latest.length ? `, the newest ${number(answer.latest.length)} of them here` : "";
  say(answer.sessions ? `${counted(answer.sessions, "active session")} in the last ${past}${cut}.` : `No active session in the last ${past}.`);
  const list = /** @type {HTMLElement} */ (byId("found").querySelector(".visits"));
  const now = Date.parse(answer.as_of);
  reconcile(list, answer.latest, (session) => session.session_id,
    (session) => {
      const name = userText(shorten(session.session_id, 60));
      name.title = session.session_id;
      return element("li", {}, name, element("span", { class: "definition" }));
    },
    (node, session) => setText(/** @type {Element} */ (node.lastElementChild),
      `${counted(session.events, "event")}, last ${age(now - Date.parse(session.last_event_at))} ago`));
}

/** @param {string} words */
function say(words) {
  setText(/** @type {Element} */ (byId("found").querySelector(".summary")), words);
  if (asked) announce(words);
  asked = false;
}
