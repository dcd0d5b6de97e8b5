/** The three headline figures: now, against before, and the shape of the last half hour. */

import { chart } from "./chart.js";
import { byId, setNumber, setText } from "./dom.js";
import { counted, number, span } from "./format.js";
import { changeOf, showChanges } from "./comparison.js";
import { filling } from "./heartbeat.js";
import { bars, curve } from "./series.js";

/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Snapshot} Snapshot */
/** @typedef {import("./api.js").Minute} Minute */

const PANELS = [
  {
    id: "users",
    name: "Active users",
    kind: /** @type {const} */ ("curve"),
    now: (/** @type {Metrics} */ it) => it.active_users.count,
    seconds: (/** @type {Metrics} */ it) => it.active_users.window_seconds,
    before: (/** @type {import("./api.js").Earlier} */ it) => it.active_users,
    past: (/** @type {Snapshot} */ it) => it.active_users.count,
    definition: (/** @type {Metrics} */ it) => `Distinct users with any event in the last ${span(it.active_users.window_seconds)}.`,
  },
  {
    id: "views",
    name: "Page views",
    kind: /** @type {const} */ ("bars"),
    now: (/** @type {Metrics} */ it) => it.page_views.total,
    seconds: (/** @type {Metrics} */ it) => it.page_views.window_seconds,
    before: (/** @type {import("./api.js").Earlier} */ it) => it.page_views,
    definition: (/** @type {Metrics} */ it) => `page_view events on ${counted(it.page_views.pages, "page")} in the last ${span(it.page_views.window_seconds)}.`,
  },
  {
    id: "sessions",
    name: "Active sessions",
    kind: /** @type {const} */ ("curve"),
    now: (/** @type {Metrics} */ it) => it.active_sessions.total,
    seconds: (/** @type {Metrics} */ it) => it.active_sessions.window_seconds,
    before: (/** @type {import("./api.js").Earlier} */ it) => it.active_sessions,
    past: (/** @type {Snapshot} */ it) => it.active_sessions.total,
    definition: (/** @type {Metrics} */ it) => `Distinct sessions of all users in the last ${span(it.active_sessions.window_seconds)}.`,
  },
];

/** @returns {(metrics: Metrics, snapshots: Snapshot[], minutes: Minute[]) => void} */
export function headlines() {
  const panels = PANELS.map((panel) => ({ ...panel, draw: chart(byId(`${panel.id}-chart`), panel.name, panel.kind) }));
  return (metrics, snapshots, minutes) => {
    for (const panel of panels) {
      const now = panel.now(metrics);
      setNumber(byId(`${panel.id}-figure`), now);
      setText(byId(`${panel.id}-definition`), panel.definition(metrics));
      showChanges(byId(`${panel.id}-changes`), changesOf(panel, metrics, minutes));
      panel.draw(panel.past ? curve(snapshots, metrics, panel.past) : bars(minutes, metrics.as_of));
    }
  };
}

/** @param {typeof PANELS[number]} panel @param {Metrics} metrics @param {Minute[]} minutes @returns {import("./comparison.js").Change[]} */
function changesOf(panel, metrics, minutes) {
  const filled = filling(minutes, metrics.as_of, panel.seconds(metrics));
  if (filled !== null) return [{ arrow: "…", words: `filling: ${number(filled)} of ${number(panel.seconds(metrics) / 60)} min` }];
  const { previous = null, yesterday = null } = metrics.comparison ?? {};
  const now = panel.now(metrics);
  return [
    ...(previous ? [changeOf(now, panel.before(previous), "in 15 min")] : []),
    ...(yesterday ? [changeOf(now, panel.before(yesterday), "from yesterday")] : []),
  ];
}
