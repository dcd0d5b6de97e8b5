/** The three headline figures: now, how that compares with the last hour, and the curve. */

import { chart } from "./chart.js";
import { byId, setNumber, setText } from "./dom.js";
import { age, counted, figure, span } from "./format.js";
import { series } from "./history.js";

/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Snapshot} Snapshot */

const PANELS = [
  {
    id: "users",
    name: "Active users",
    pick: (/** @type {Snapshot} */ it) => it.active_users.count,
    definition: (/** @type {Metrics} */ it) => `Distinct users with any event in the last ${span(it.active_users.window_seconds)}.`,
  },
  {
    id: "views",
    name: "Page views",
    pick: (/** @type {Snapshot} */ it) => it.page_views.total,
    definition: (/** @type {Metrics} */ it) => `page_view events on ${counted(it.page_views.pages, "page")} in the last ${span(it.page_views.window_seconds)}.`,
  },
  {
    id: "sessions",
    name: "Active sessions",
    pick: (/** @type {Snapshot} */ it) => it.active_sessions.total,
    definition: (/** @type {Metrics} */ it) => `Distinct sessions of all users in the last ${span(it.active_sessions.window_seconds)}.`,
  },
];

/** @returns {(metrics: Metrics, snapshots: Snapshot[]) => void} */
export function figures() {
  const drawn = PANELS.map((panel) => ({ ...panel, draw: chart(byId(`${panel.id}-chart`), panel.name) }));
  return (metrics, snapshots) => {
    for (const panel of drawn) {
      const curve = series(snapshots, panel.pick);
      const node = byId(`${panel.id}-figure`);
      setNumber(node, panel.pick(metrics));
      setText(byId(`${panel.id}-context`), compare(curve.points) || "\u00a0");
      setText(byId(`${panel.id}-definition`), panel.definition(metrics));
      panel.draw(curve);
    }
  };
}

/** What the last hour says about the newest value. @param {import("./history.js").Point[]} points */
export function compare(points) {
  if (points.length < 3) return "";
  const now = points[points.length - 1];
  const earlier = points.slice(0, -1).map((point) => point.value);
  const [low, high] = [Math.min(...earlier), Math.max(...earlier)];
  const past = `the last ${age(now.at - points[0].at)}`;
  if (now.value > high) return `highest in ${past}, up from ${figure(high)} at most`;
  if (now.value < low) return `lowest in ${past}, down from ${figure(low)} at least`;
  if (low === high) return `the same for ${past}`;
  return `${figure(low)} to ${figure(high)} in ${past}`;
}
