/** The last hour as curves: what one number was at each snapshot. */

/** @typedef {import("./api.js").Snapshot} Snapshot */
/** @typedef {{at: number, value: number}} Point */
/** @typedef {{from: number, to: number, points: Point[]}} Series */

export const HOUR = 3_600_000;
const GAP = 60_000; // ms without a snapshot: the curve is broken, not bridged

/** One list of snapshots, oldest first, each instant once, none older than an hour. @param {Snapshot[]} stored @param {Snapshot[]} seen */
export function merge(stored, seen) {
  const byInstant = new Map([...stored, ...seen].map((snapshot) => [Date.parse(snapshot.as_of), snapshot]));
  const newest = Math.max(...byInstant.keys());
  return [...byInstant.entries()]
    .filter(([at]) => at > newest - HOUR)
    .sort(([a], [b]) => a - b)
    .map(([, snapshot]) => snapshot);
}

/** @param {Snapshot[]} snapshots @param {(snapshot: Snapshot) => number} pick @returns {Series} */
export function series(snapshots, pick) {
  const points = snapshots.map((snapshot) => ({ at: Date.parse(snapshot.as_of), value: pick(snapshot) }));
  const to = points.length ? points[points.length - 1].at : Date.now();
  return { from: to - HOUR, to, points };
}

/** Unbroken stretches of points. @param {Point[]} points @returns {Point[][]} */
export function stretches(points) {
  /** @type {Point[][]} */
  const found = [];
  points.forEach((point, i) => {
    if (i === 0 || point.at - points[i - 1].at > GAP) found.push([]);
    found[found.length - 1].push(point);
  });
  return found;
}

/** One point a minute, newest first: the last of each. @param {Point[]} points */
export function byMinute(points) {
  return [...new Map(points.map((point) => [Math.floor(point.at / 60_000), point])).values()].reverse();
}

/** @param {Point[]} points @param {number} at @returns {Point | undefined} */
export function nearest(points, at) {
  return points.reduce((best, point) => (!best || Math.abs(point.at - at) < Math.abs(best.at - at) ? point : best),
    /** @type {Point | undefined} */ (undefined));
}
