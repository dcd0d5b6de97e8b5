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

/** How long, in words a person would use: `3 s`, `4 min`, `2 hours`. @param {number} milliseconds */
export function age(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${number(seconds)} s`;
  if (seconds < 5400) return `${number(Math.round(seconds / 60))} min`;
  if (seconds < 129_600) return counted(Math.round(seconds / 3600), "hour");
  return counted(Math.round(seconds / 86_400), "day");
}

/** What a row must not hide: direction marks, invisible characters, leading, trailing or repeated blanks. */
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2800]|(?! )\p{Zs}|^ +| +$| {2,}/gu;

/** Sent text with everything spelled out that would mislead the eye: `a b` stays, ` b` is `\u{20}b`. @param {string} text */
export const visible = (text) => text.replace(UNSEEN, (found) =>
  Array.from(found, (mark) => `\\u{${/** @type {number} */ (mark.codePointAt(0)).toString(16)}}`).join(""));

/** A rate a person can picture: `20 events/s`, `12 events/min`. @param {number} count @param {number} seconds */
export function rate(count, seconds) {
  const perSecond = count / seconds;
  if (perSecond >= 10) return `${number(Math.round(perSecond))} events/s`;
  if (perSecond >= 1) return `${decimal(perSecond)} events/s`;
  return `${decimal((60 * count) / seconds)} events/min`;
}

/** A part of a whole. @param {number} part @param {number} all */
export const percent = (part, all) => `${decimal((100 * part) / all)} %`;

/** The reader's time zone. */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
