/** How fresh the numbers are, in words. */

import { announce } from "./announcer.js";
import { byId, setAttribute, setText } from "./dom.js";
import { age, counted, dateAndTime, time } from "./format.js";

const STALE = 90_000; // ms: three calm refreshes missed

/** @param {import("./refresher.js").State} state @param {number} now @returns {[string, string]} */
function describe(state, now) {
  if (state.failure?.kind === "key") return ["key", "Key needed"];
  if (!navigator.onLine) return ["offline", "Offline"];
  if (state.failure) return ["failing", state.failure.kind === "limited" ? "Slowed down" : "Server unreachable"];
  if (state.paused) return ["paused", "Paused"];
  if (state.answeredAt === null) return ["loading", "Loading"];
  if (now - state.answeredAt > STALE) return ["stale", "Stale"];
  return ["fresh", state.live ? "Live" : "Up to date"];
}

let spoken = "loading";

/** @param {import("./refresher.js").State} state @param {string | null} asOf @param {number} [now] */
export function showStatus(state, asOf, now = Date.now()) {
  const [name, words] = describe(state, now);
  setAttribute(byId("status"), "data-state", name);
  setText(byId("state"), words);
  setText(byId("next"), comingUp(state, now));
  showAsOf(state, asOf, name, now);
  document.title = name === "fresh" || name === "loading" ? "Footfall" : `${words} – Footfall`;
  if (name === spoken) return;
  if (name !== "fresh") announce(`${words}. ${state.failure && name !== "key" ? `${state.failure.message}.` : ""}`);
  else if (spoken !== "loading") announce("Up to date again.");
  spoken = name;
}

/** @param {import("./refresher.js").State} state @param {string | null} asOf @param {string} name @param {number} now */
function showAsOf(state, asOf, name, now) {
  const node = byId("as-of");
  if (asOf === null || state.answeredAt === null) {
    setText(node, state.failure ? state.failure.message : "Waiting for the first answer");
    return;
  }
  const old = name === "fresh" ? "" : `, ${age(now - state.answeredAt)} old`;
  setText(node, `As of ${time(new Date(asOf))}${old}`);
  setAttribute(node, "title", dateAndTime(new Date(asOf)));
}

/** @param {import("./refresher.js").State} state @param {number} now */
function comingUp(state, now) {
  if (state.busy) return "asking now";
  if (state.dueAt === null) return "";
  const left = counted(Math.max(0, Math.ceil((state.dueAt - now) / 1000)), "second");
  return state.failure ? `trying again in ${left}` : `next in ${left}`;
}
