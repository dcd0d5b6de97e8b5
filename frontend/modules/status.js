/** How fresh the numbers are and whether the shop still sends, in words. */

import { announce } from "./announcer.js";
import { byId, setAttribute, setText } from "./dom.js";
import { age, dateAndTime, number, time } from "./format.js";

/** @typedef {import("./refresher.js").State} State */
/** What the last answer said. @typedef {{asOf: string, heartbeat: import("./heartbeat.js").Heartbeat}} Known */

/** @type {Record<string, string>} */
const FAILURES = { limited: "Slowed down", server: "Server in trouble" };
const STALE = 90_000; // ms: three calm refreshes missed

/** @param {State} state @param {Known | null} known @param {number} now @returns {[string, string]} */
function describe(state, known, now) {
  if (state.failure?.kind === "key") return ["key", "Key needed"];
  if (!navigator.onLine) return ["offline", "Offline"];
  if (state.failure) return ["failing", FAILURES[state.failure.kind] ?? "Server unreachable"];
  if (state.paused) return ["paused", "Paused"];
  if (state.answeredAt === null) return ["loading", "Loading"];
  if (now - state.answeredAt > STALE) return ["stale", "Stale"];
  if (known?.heartbeat.silence) return ["silent", known.heartbeat.silence];
  return ["fresh", state.live ? "Live" : "Up to date"];
}

let spoken = "loading";

/** @param {State} state @param {Known | null} known @param {number} [now] */
export function showStatus(state, known, now = Date.now()) {
  const [name, words] = describe(state, known, now);
  setAttribute(byId("status"), "data-state", name);
  setText(byId("state"), words);
  setText(byId("next"), comingUp(state, now));
  setText(byId("heartbeat"), known?.heartbeat.words ?? "");
  showAsOf(state, known, ["fresh", "silent"].includes(name), now);
  document.title = name === "fresh" || name === "loading" ? "Footfall" : `${words} – Footfall`;
  if (name === spoken) return;
  if (name !== "fresh") announce(state.failure && name !== "key" ? `${words}. ${state.failure.message}.` : `${words}.`);
  else if (spoken !== "loading") announce(spoken === "silent" ? "Events arrive again." : "Up to date again.");
  spoken = name;
}

/** @param {State} state @param {Known | null} known @param {boolean} current @param {number} now */
function showAsOf(state, known, current, now) {
  const node = byId("as-of");
  if (known === null || state.answeredAt === null) {
    setText(node, state.failure ? state.failure.message : "Waiting for the first answer");
    return;
  }
  const old = current ? "" : `, ${age(now - state.answeredAt)} old`;
  setText(node, `As of ${time(new Date(known.asOf))}${old}`);
  setAttribute(node, "title", dateAndTime(new Date(known.asOf)));
}

/** @param {State} state @param {number} now */
function comingUp(state, now) {
  if (state.busy) return "asking now";
  if (state.dueAt === null) return "";
  const left = `${number(Math.max(0, Math.ceil((state.dueAt - now) / 1000)))} s`;
  return state.failure ? `trying again in ${left}` : `next in ${left}`;
}
