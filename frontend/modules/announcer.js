/** The page's one live region: it speaks what a listener would want to be told, and no more. */

import { byId } from "./dom.js";
import { number } from "./format.js";

const QUIET = 60_000; // ms between two remarks about numbers
const SHARE = 0.25; // of the last announced count,
const USERS = 10; // and at least this many users: less is noise

let waiting = "";

/** Announce a text, together with others of the same moment. @param {string} text */
export function announce(text) {
  const region = byId("announcements");
  // Unchanged text is not announced again: empty the region first.
  region.textContent = "";
  if (!waiting) {
    setTimeout(() => {
      region.textContent = waiting;
      waiting = "";
    }, 50);
  }
  waiting = waiting ? `${waiting} ${text}` : text;
}

/** @type {{users: number, rejected: number, at: number} | null} */
let spoken = null;

/** Speak of numbers that moved far. @param {import("./api.js").Metrics} metrics @param {number} [now] */
export function announceChanges(metrics, now = Date.now()) {
  const users = metrics.active_users.count;
  const rejected = metrics.events.rejected;
  if (!spoken) {
    spoken = { users, rejected, at: now - QUIET };
    return;
  }
  if (now - spoken.at < QUIET) return;
  const moved = Math.abs(users - spoken.users);
  const remarks = [];
  if (moved >= USERS && moved >= SHARE * spoken.users) {
    remarks.push(`Active users ${users > spoken.users ? "rose" : "fell"} from ${number(spoken.users)} to ${number(users)}.`);
  }
  if (rejected > 0 && spoken.rejected === 0) remarks.push(`Events are being refused: ${number(rejected)} so far.`);
  if (rejected === 0) spoken.rejected = 0;
  if (!remarks.length) return;
  spoken = { users, rejected, at: now };
  announce(remarks.join(" "));
}
