/** The dashboard: asks for the numbers, keeps the last half hour, and hands both to the panels. */

import { go, read } from "./address.js";
import { announce, announceChanges } from "./announcer.js";
import * as api from "./api.js";
import { byId, setAttribute, setText } from "./dom.js";
import { events } from "./events.js";
import { zone } from "./format.js";
import { funnel } from "./funnel.js";
import { headlines } from "./headlines.js";
import { heartbeat } from "./heartbeat.js";
import { askForKey, currentKey, forgetKey } from "./key.js";
import { lookup } from "./lookup.js";
import { Pages } from "./pages.js";
import { showQuality, showRefusals } from "./quality.js";
import { Refresher } from "./refresher.js";
import { extend } from "./series.js";
import { sessions } from "./sessions.js";
import { startHere } from "./start.js";
import { showStatus } from "./status.js";
import { wall } from "./wall.js";

const BACKGROUND = 10_000; // ms: minutes, history and refusals are read no more often, also in live mode

/** @type {api.Snapshot[]} */
let snapshots = [];
/** @type {api.Minute[]} */
let minutes = [];
/** @type {import("./status.js").Known | null} */
let known = null;
let nothingYet = false;
let backgroundAt = -Infinity;

const [showHeadlines, showSessions, showFunnel] = [headlines(), sessions(), funnel()];
const pages = new Pages(() => void refresher.askAnew());
const refreshUser = lookup();
const refresher = new Refresher(load, (state) => {
  showStatus(state, known);
  const keyNeeded = state.failure?.kind === "key";
  // Hide everything shown so far behind the key dialog.
  document.body.classList.toggle("locked", keyNeeded);
  if (!state.busy && keyNeeded) needKey();
});

async function load() {
  void refreshUser();
  const due = Date.now() - backgroundAt >= BACKGROUND;
  const [metrics, newMinutes, newer, refusals] = await Promise.all([
    api.metrics(),
    due ? api.perMinute().catch(() => null) : null,
    due ? api.history(snapshots.at(-1)?.as_of).catch(() => null) : null,
    due ? api.rejections().catch(() => null) : null,
  ]);
  const views = await pages.load(metrics);
  if (due) backgroundAt = Date.now();
  minutes = newMinutes ?? minutes;
  snapshots = extend(snapshots, newer ?? [], metrics.as_of);
  known = { asOf: metrics.as_of, heartbeat: heartbeat(metrics, minutes) };
  show(metrics, views);
  if (due) showRefusals(refusals, metrics.arrivals?.last_at !== null);
}

/** @param {api.Metrics} metrics @param {api.Metrics["page_views"]} views */
function show(metrics, views) {
  showHeadlines(metrics, snapshots, minutes);
  pages.show(metrics, views);
  showSessions(metrics);
  showFunnel(metrics);
  showQuality(metrics);
  announceChanges(metrics);
  showStart(metrics.arrivals?.last_at === null);
  byId("main").removeAttribute("aria-busy");
  byId("forget").hidden = !currentKey();
}

/** @param {boolean} wanted */
function showStart(wanted) {
  const card = byId("start");
  if (wanted && card.children.length === 1) card.append(...startHere(currentKey() !== ""));
  card.hidden = !wanted;
  nothingYet = wanted;
  setPace();
}

function needKey() {
  const refused = currentKey() !== "";
  askForKey(refused ? "That key was not accepted. Enter a key that may read." : "Enter the read key you were given.", (given) => {
    if (given) void refreshNow();
  });
}

async function refreshNow() {
  backgroundAt = -Infinity;
  await refresher.refresh();
}

/** @param {string} id @param {() => void} act */
function onClick(id, act) {
  byId(id).addEventListener("click", act);
}

onClick("refresh", async () => {
  await refreshNow();
  const users = byId("users-figure").textContent ?? "";
  if (!refresher.state.failure) announce(`Refreshed. Active users: ${users}.`);
});
onClick("pause", () => {
  const paused = !refresher.state.paused;
  refresher.pause(paused);
  setText(byId("pause"), paused ? "Resume" : "Pause");
});
onClick("live", () => go({ live: !read().live }));
onClick("unlock", needKey);
onClick("forget", () => {
  forgetKey();
  // A new page knows nothing of what this one has shown.
  history.replaceState(null, "", location.pathname);
  location.reload();
});

const THEMES = ["auto", "light", "dark"];
onClick("theme", () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem("footfall.theme", next);
  } catch {
    // Storage is blocked: the choice lasts until the page is left.
  }
  showTheme();
});

function showTheme() {
  setText(byId("theme"), `Theme: ${document.documentElement.dataset.theme ?? "auto"}`);
}

/** Ask often where the reader wants it, and where the first event is waited for. */
function setPace() {
  refresher.setLive(read().live || nothingYet);
}

function followAddress() {
  setAttribute(byId("live"), "aria-pressed", String(read().live));
  setPace();
}

setText(byId("zone"), zone() && ` (${zone()})`);
showTheme();
wall();
events();
addEventListener("hashchange", followAddress);
followAddress();
setInterval(() => { if (!document.hidden) showStatus(refresher.state, known); }, 1000);
refresher.start();
