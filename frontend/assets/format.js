/** Numbers, instants and durations in the reader's locale. */

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 4 });
const tenth = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** @param {number} count */
export const number = (count) => whole.format(count);

/** A count that fits a large figure: exact up to seven digits, then `12.35M`. @param {number} count */
export const figure = (count) => (count < 10_000_000 ? whole : short).format(count);

/** @param {number} value */
export const decimal = (value) => tenth.format(value);

/** @param {Date | number} instant */
export const time = (instant) => clock.format(instant);

/** @param {Date | number} instant */
export const hourAndMinute = (instant) => minute.format(instant);

/** @param {Date | number} instant */
export const dateAndTime = (instant) => full.format(instant);

/** `1 user`, `2 users`. @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** A window's length: `5 minutes`. @param {number} seconds */
export const span = (seconds) => (seconds % 60 ? counted(seconds, "second") : counted(seconds / 60, "minute"));

/** How long ago, in words a person would use. @param {number} milliseconds */
export function age(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return counted(seconds, "second");
  if (seconds < 5400) return counted(Math.round(seconds / 60), "minute");
  if (seconds < 129_600) return counted(Math.round(seconds / 3600), "hour");
  return counted(Math.round(seconds / 86_400), "day");
}

/** Sent text with what would mislead the eye spelled out: nothing but blanks, and marks that turn text round. @param {string} text */
export function visible(text) {
  if (!text.trim()) return JSON.stringify(text);
  return text.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`);
}

/** The start and the end of a text too long for its place. @param {string} text @param {number} [limit] */
export function shorten(text, limit = 80) {
  const characters = Array.from(visible(text));
  if (characters.length <= limit) return characters.join("");
  const tail = Math.floor(limit / 3);
  return `${characters.slice(0, limit - tail - 1).join("")}…${characters.slice(-tail).join("")}`;
}

/** The reader's time zone. */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
