/** What charts draw: one number at each stored snapshot, and the counts of each minute. */

/** @typedef {import("./api.js").Snapshot} Snapshot */
/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Minute} Minute */
/** One value from `at` on for `lasts` ms; `open` while it still grows. @typedef {{at: number, value: number, lasts: number, open: boolean}} Point */
/** @typedef {{from: number, to: number, points: Point[]}} Series */

export const MINUTE = 60_000;
export const SPAN = 30 * MINUTE; // what every chart shows
const GAP = MINUTE; // ms without a snapshot: the curve is broken, not bridged

/** The stored snapshots with newer ones behind, none older than a chart shows. @param {Snapshot[]} stored @param {Snapshot[]} newer @param {string} asOf */
export function extend(stored, newer, asOf) {
  const last = stored.length ? Date.parse(stored[stored.length - 1].as_of) : -Infinity;
  const to = Date.parse(asOf);
  return [...stored, ...newer.filter((it) => Date.parse(it.as_of) > last)].filter((it) => {
    const at = Date.parse(it.as_of);
    return at > to - SPAN && at < to;
  });
}

/** @param {Snapshot[]} snapshots @param {Metrics} now @param {(snapshot: Snapshot) => number} pick @returns {Series} */
export function curve(snapshots, now, pick) {
  const points = [...snapshots, now].map((it) => ({ at: Date.parse(it.as_of), value: pick(it), lasts: 0, open: false }));
  const to = Date.parse(now.as_of);
  return { from: to - SPAN, to, points };
}

/** Page views of each minute; minutes without any event are not among the points. @param {Minute[]} minutes @param {string} asOf @returns {Series} */
export function bars(minutes, asOf) {
  const shown = minutes.slice(-SPAN / MINUTE);
  const newest = shown.length ? Date.parse(shown[shown.length - 1].minute) : Math.floor(Date.parse(asOf) / MINUTE) * MINUTE;
  const to = newest + MINUTE;
  return {
    from: to - SPAN,
    to,
    points: shown.filter((it) => it.events > 0)
      .map((it) => ({ at: Date.parse(it.minute), value: it.page_views, lasts: MINUTE, open: !it.complete })),
  };
}

/** Unbroken stretches of a curve. @param {Point[]} points @returns {Point[][]} */
export function stretches(points) {
  /** @type {Point[][]} */
  const found = [];
  points.forEach((point, i) => {
    if (i === 0 || point.at - points[i - 1].at > GAP) found.push([]);
    found[found.length - 1].push(point);
  });
  return found;
}

/** The point at an instant: the minute that contains it, or a snapshot near it; none if nothing is known. @param {Series} series @param {number} at */
export function pointAt({ points, to }, at) {
  const instant = Math.min(at, to - 1);
  const holds = points.find((it) => it.lasts && it.at <= instant && instant < it.at + it.lasts);
  if (holds || points[0]?.lasts) return holds;
  const distance = (/** @type {Point} */ it) => Math.abs(it.at - at);
  const nearest = points.reduce((best, it) => (!best || distance(it) <= distance(best) ? it : best), /** @type {Point | undefined} */ (undefined));
  return nearest && distance(nearest) <= GAP / 2 ? nearest : undefined;
}

/** One point a minute, newest first: the last of each. @param {Point[]} points */
export const byMinute = (points) => [...new Map(points.map((it) => [Math.floor(it.at / MINUTE), it])).values()].reverse();
