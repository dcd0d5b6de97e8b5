/**
 * Is the shop still sending? When its last event arrived, how many arrive, and whether it has
 * been silent for longer than its usual gap explains.
 */

import { age, rate, time } from "./format.js";
import { MINUTE } from "./series.js";

/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Minute} Minute */
/** @typedef {{words: string, silence: string}} Heartbeat `silence` is empty while events come */

const SHORTEST = MINUTE; // silence is longer than this many ms without an event,
const GAPS = 10; // and than this many usual gaps

/** @param {Metrics} metrics @param {Minute[]} minutes @returns {Heartbeat} as of the answer */
export function heartbeat({ as_of: asOf, arrivals }, minutes) {
  if (!arrivals) return { words: "", silence: "" };
  if (arrivals.last_at === null) return { words: "no event yet", silence: "" };
  const last = Date.parse(arrivals.last_at);
  const silentFor = Date.parse(asOf) - last;
  const silent = silentFor > Math.max(SHORTEST, GAPS * usualGap(minutes, last));
  return {
    words: silent ? `the last came at ${time(last)}` : `last event ${age(silentFor)} ago · ${rate(arrivals.count, arrivals.window_seconds)}`,
    silence: silent ? `No events for ${age(silentFor)}` : "",
  };
}

/** The mean gap between events from the first known minute to the last event. @param {Minute[]} minutes @param {number} last @returns {number} ms */
function usualGap(minutes, last) {
  const first = firstMinute(minutes);
  const events = minutes.reduce((sum, it) => sum + it.events, 0);
  return first !== null && last > first ? (last - first) / events : 0;
}

/** @param {Minute[]} minutes @returns {number | null} the start of the first minute with an event */
function firstMinute(minutes) {
  const first = minutes.find((it) => it.events > 0);
  return first ? Date.parse(first.minute) : null;
}

/**
 * How much of a window is filled after the first events of the hour.
 *
 * @param {Minute[]} minutes @param {string} asOf @param {number} seconds the window's length
 * @returns {number | null} whole minutes, or null when it is full or nothing came at all
 */
export function filling(minutes, asOf, seconds) {
  const first = firstMinute(minutes);
  if (first === null || first === Date.parse(minutes[0].minute)) return null;
  const filled = Math.ceil((Date.parse(asOf) - first) / MINUTE);
  return filled * 60 < seconds ? filled : null;
}
