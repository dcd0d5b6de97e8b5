/** One user's active sessions, named by the address: `#user=…`. */

import { go, read, userLink } from "./address.js";
import { announce } from "./announcer.js";
import { Unanswered, sessionsOf } from "./api.js";
import { byId, element, reconcile, setText, userText } from "./dom.js";
import { age, counted, number, span, visible } from "./format.js";

/** @typedef {import("./api.js").UserAnswer} UserAnswer */

/** The user on show; an answer for another one comes too late. */
let wanted = "";
/** Whether the reader asked just now, and is to hear the result. */
let asked = false;

/** @returns {() => Promise<void>} asks again for the user on show */
export function lookup() {
  const field = /** @type {HTMLInputElement} */ (byId("lookup-user"));
  byId("lookup").addEventListener("submit", (event) => {
    event.preventDefault();
    const user = field.value; // as typed: blanks may belong to an id
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
  const name = userText(visible(user));
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
function describe(answer) {
  const past = span(answer.window_seconds);
  const cut = answer.sessions > answer.latest.length ? `, the newest ${number(answer.latest.length)} of them here` : "";
  if (answer.sessions) return `${counted(answer.sessions, "active session")} in the last ${past}${cut}.`;
  if (!answer.active || !answer.last_event_at) return `Not seen in the last ${past}.`;
  const ago = age(Date.parse(answer.as_of) - Date.parse(answer.last_event_at));
  return `Active without a session: the last event ${ago} ago carried no session id.`;
}

/** @param {UserAnswer} answer */
function show(answer) {
  say(describe(answer));
  const typed = answer.user_id.trim();
  if (!answer.sessions && !answer.active && typed !== answer.user_id && typed) {
    const summary = /** @type {Element} */ (byId("found").querySelector(".summary"));
    summary.append(" The id has a blank at an end. ", element("a", { href: userLink(typed) }, "Look up without it"));
  }
  const list = /** @type {HTMLElement} */ (byId("found").querySelector(".visits"));
  const now = Date.parse(answer.as_of);
  reconcile(list, answer.latest, (session) => session.session_id,
    (session) => {
      const name = userText(visible(session.session_id));
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
