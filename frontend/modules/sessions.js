/** Users by active sessions, and how many users have how many. */

import { userLink } from "./address.js";
import { byId, element, setText, table } from "./dom.js";
import { counted, figure, number, span, visible } from "./format.js";
import { ranking, showEmpty } from "./ranking.js";

/** @typedef {import("./api.js").Metrics} Metrics */

const PARTS = /** @type {const} */ ([["one", "with 1 session"], ["two", "with 2"], ["three_or_more", "with 3 or more"]]);

/** @returns {(metrics: Metrics) => void} */
export function sessions() {
  const showSpread = spread(byId("spread"));
  const show = ranking(byId("people"), byId("people-title"), (count) => counted(count, "session"), 10);
  /** @type {import("./api.js").UserSessions[]} */
  let users = [];
  const showTable = table(byId("people-table"), "Active sessions per user", ["User", "Sessions"], () =>
    users.map((user) => [visible(user.user_id), number(user.sessions)]));
  return ({ active_sessions: active }) => {
    users = active.users;
    showSpread(active.spread);
    show(users.map((user) => ({ name: user.user_id, count: user.sessions, href: userLink(user.user_id) })));
    const past = span(active.window_seconds);
    setText(byId("people-definition"), `Users with the most distinct sessions in the last ${past}.`);
    showEmpty("people-empty", users.length === 0, `No sessions in the last ${past}.`);
    showTable();
  };
}

/** @param {HTMLElement} host @returns {(spread: import("./api.js").Spread) => void} */
function spread(host) {
  const parts = PARTS.map(([name, words]) => ({
    name,
    segment: element("span", { class: `segment ${name}` }),
    text: element("li", { class: name }, element("span", { class: "skeleton" }, "00 users")),
    words,
  }));
  host.replaceChildren(
    element("div", { class: "stack", "aria-hidden": "true" }, ...parts.map((part) => part.segment)),
    element("ul", { class: "legend" }, ...parts.map((part) => part.text)));
  return (counts) => {
    const all = counts.one + counts.two + counts.three_or_more;
    for (const { name, segment, text, words } of parts) {
      segment.hidden = counts[name] === 0;
      segment.style.flexGrow = String(all ? counts[name] / all : 0);
      setText(text, `${figure(counts[name])} ${counts[name] === 1 ? "user" : "users"} ${words}`);
    }
  };
}
