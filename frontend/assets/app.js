/** The dashboard: asks for the numbers, keeps the last hour, and hands both to the panels. */

import { go, read } from "./address.js";
import { announce, announceChanges } from "./announcer.js";
import * as api from "./api.js";
import { byId, setAttribute, setText } from "./dom.js";
import { figures } from "./figures.js";
import { counted, zone } from "./format.js";
import { merge } from "./history.js";
import { askForKey, currentKey, forgetKey } from "./key.js";
import { lookup } from "./lookup.js";
import { pages } from "./pages.js";
import { pulse } from "./pulse.js";
import { Refresher } from "./refresher.js";
import { showQuality, showRefusals } from "./refusals.js";
import { sessions } from "./sessions.js";
import { showStatus } from "./status.js";
import { wall } from "./wall.js";

const BACKGROUND = 25_000; // ms: history and refusals are read no more often, also in live mode

/** @type {api.Snapshot[]} */
let snapshots = [];
/** @type {string | null} */
let asOf = null;
let backgroundAt = -Infinity;

const [showFigures, showPages, showSessions, showPulse] = [figures(), pages(), sessions(), pulse()];
const refreshUser = lookup();
const refresher = new Refresher(load, (state) => {
  showStatus(state, asOf);
  if (!state.busy && state.failure?.kind === "key") needKey();
});

async function load() {
  void refreshUser();
  const due = Date.now() - backgroundAt >= BACKGROUND;
  const [metrics, history, refusals] = await Promise.all([
    api.metrics(),
    due ? api.history().catch(() => null) : null,
    due ? api.rejections().catch(() => null) : null,
  ]);
  if (due) backgroundAt = Date.now();
  asOf = metrics.as_of;
  snapshots = merge(history?.snapshots ?? snapshots, [...snapshots.slice(-40), metrics]);
  show(metrics);
  if (due) showRefusals(refusals?.rejections ?? null);
}

/** @param {api.Metrics} metrics */
function show(metrics) {
  showFigures(metrics, snapshots);
  showPages(metrics);
  showSessions(metrics);
  showPulse(metrics, snapshots);
  showQuality(metrics);
  announceChanges(metrics);
  byId("main").removeAttribute("aria-busy");
  byId("forget").hidden = !currentKey();
}

function needKey() {
  const refused = currentKey() !== "";
  askForKey(refused ? "The key was not accepted. Enter one that may read metrics." : "Enter a key that may read metrics.", (given) => {
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
onClick("forget", () => {
  forgetKey();
  void refreshNow();
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

function followAddress() {
  const { live } = read();
  setAttribute(byId("live"), "aria-pressed", String(live));
  refresher.setLive(live);
}

setText(byId("zone"), zone() && ` (${zone()})`);
showTheme();
wall();
addEventListener("hashchange", followAddress);
followAddress();
setInterval(() => { if (!document.hidden) showStatus(refresher.state, asOf); }, 1000);
refresher.start();
