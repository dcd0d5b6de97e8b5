/** Active sessions per user: how many users have how many, and who has most. */

import { userLink } from "./address.js";
import { byId, element, setNumber, setText, table } from "./dom.js";
import { counted, decimal, number, span } from "./format.js";
import { ranking, showEmpty } from "./ranking.js";

/** @typedef {import("./api.js").Metrics} Metrics */

const PARTS = /** @type {const} */ ([["one", "1 session"], ["two", "2 sessions"], ["three_or_more", "3 or more"]]);

/** @returns {(metrics: Metrics) => void} */
export function sessions() {
  const showSpread = spread(byId("spread"));
  const show = ranking(byId("people"), byId("people-title"), (count) => counted(count, "session"), 10);
  /** @type {import("./api.js").UserSessions[]} */
  let users = [];
  const showTable = table(byId("people-table"), "Active sessions per user", ["User", "Sessions"], () =>
    users.map((user) => [user.user_id, number(user.sessions)]));
  return ({ active_sessions: active }) => {
    users = active.users;
    showSpread(active.spread);
    show(users.map((user) => ({ name: user.user_id, count: user.sessions, href: userLink(user.user_id) })));
    const past = span(active.window_seconds);
    setText(byId("people-definition"), `Distinct sessions of each user with events in the last ${past}.`);
    showEmpty("people-empty", users.length === 0, `No sessions in the last ${past}.`);
    showTable();
  };
}

/** @param {HTMLElement} host @returns {(spread: import("./api.js").Spread) => void} */
function spread(host) {
  const parts = PARTS.map(([name, words]) => ({
    name,
    segment: element("span", { class: `segment ${name}` }),
    count: element("dd", { class: "number" }, element("span", { class: "skeleton" }, "00")),
    share: element("dd", { class: "definition" }, "\u00a0"),
    words,
  }));
  host.replaceChildren(
    element("div", { class: "stack", "aria-hidden": "true" }, ...parts.map((part) => part.segment)),
    element("dl", { class: "legend" }, ...parts.map((part) =>
      element("div", { class: part.name }, element("dt", {}, part.words), part.count, part.share))));
  return (counts) => {
    const all = counts.one + counts.two + counts.three_or_more;
    for (const { name, segment, count, share } of parts) {
      segment.style.flexGrow = String(all ? counts[name] / all : 0);
      setNumber(count, counts[name]);
      setText(share, all ? `${counts[name] === 1 ? "user" : "users"}, ${decimal((100 * counts[name]) / all)} %` : "users");
    }
  };
}
