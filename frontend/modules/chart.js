/**
 * A curve or bars over the last half hour, as SVG, with the table behind it. The pointer, a tap and
 * the arrow keys read single values; what they point at is read anew with each redrawing.
 */

import { element, setAttribute, setText, svg, table } from "./dom.js";
import { figure, hourAndMinute, number, time } from "./format.js";
import { SPAN, byMinute, pointAt, stretches } from "./series.js";

/** @typedef {import("./series.js").Series} Series */
/** @typedef {import("./series.js").Point} Point */

const WIDTH = 3600;
const HEIGHT = 1000;

/** The top of the scale: a round number not below `value`, at least 4, so that whole numbers fit. @param {number} value */
function ceiling(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * /** @type {number} */ ([1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value));
}

/** @param {number} share of the width */
const x = (share) => (share * WIDTH).toFixed(1);
/** @param {number} value @param {number} top */
const y = (value, top) => (HEIGHT - (value / top) * HEIGHT).toFixed(1);

/** @param {Series} series @param {number} top @returns {Record<string, string>} the paths of a curve */
function curvePaths({ from, points }, top) {
  const runs = stretches(points).map((run) => run.map((it) => `${x((it.at - from) / SPAN)} ${y(it.value, top)}`));
  const foot = (/** @type {string} */ point) => `${point.split(" ")[0]} ${HEIGHT}`;
  return {
    line: runs.map((run) => `M${run.join("L")}`).join(""),
    area: runs.map((run) => `M${foot(run[0])}L${run.join("L")}L${foot(run[run.length - 1])}Z`).join(""),
  };
}

/** @param {Series} series @param {number} top @returns {Record<string, string>} the paths of bars */
function barPaths({ from, points }, top) {
  const box = (/** @type {number} */ at, /** @type {number} */ lasts, /** @type {number} */ value, /** @type {number} */ gap) =>
    `M${x((at - from + gap * lasts) / SPAN)} ${HEIGHT}V${y(value, top)}H${x((at - from + lasts * (1 - gap)) / SPAN)}V${HEIGHT}Z`;
  const lasts = points[0]?.lasts ?? SPAN;
  const known = new Set(points.map((it) => it.at));
  const minutes = Array.from({ length: Math.round(SPAN / lasts) }, (_, i) => from + i * lasts);
  return {
    bar: points.filter((it) => !it.open).map((it) => box(it.at, lasts, it.value, 0.1)).join(""),
    running: points.filter((it) => it.open).map((it) => box(it.at, lasts, it.value, 0.1)).join(""),
    nothing: points.length ? minutes.filter((at) => !known.has(at)).map((at) => box(at, lasts, top, 0)).join("") : "",
  };
}

const KINDS = {
  curve: { paths: curvePaths, names: ["area", "line"], words: "over the last 30 minutes" },
  bars: { paths: barPaths, names: ["nothing", "bar", "running"], words: "per minute, last 30 minutes" },
};

/**
 * @param {HTMLElement} host
 * @param {string} name what is counted, as in `Active users`
 * @param {keyof typeof KINDS} kind
 * @returns {(series: Series) => void}
 */
export function chart(host, name, kind) {
  const { paths, names, words } = KINDS[kind];
  const drawn = names.map((each) => svg("path", { class: each }));
  const grid = [0.5, HEIGHT / 2, HEIGHT].map((level) => svg("path", { class: "grid", d: `M0 ${level}H${WIDTH}` }));
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...grid, ...drawn);
  const note = element("p", { class: "note" });
  const plot = element("div", { class: "plot", tabindex: "0", role: "slider", "aria-readonly": "true", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "100" }, drawing, note);
  const [high, half, start, middle] = [0, 0, 0, 0].map(() => element("span"));
  const scale = element("p", { class: "scale", "aria-hidden": "true" }, high, half, element("span", {}, "0"));
  const axis = element("p", { class: "axis", "aria-hidden": "true" }, start, middle, element("span", {}, "now"));
  const details = element("details", { class: "table" }, element("summary", {}, `${name} ${kind === "bars" ? "per minute" : "of 30 minutes"} as a table`));
  host.replaceChildren(element("div", { class: "frame" }, plot, scale, axis), details);

  /** @type {Series} */
  let shown = { from: 0, to: SPAN, points: [] };
  const showTable = table(details, `${name} ${words}`, ["Time", name], () =>
    byMinute(shown.points).map((it) => [hourAndMinute(it.at), spell(it)]));
  const readAgain = reading(plot, () => shown, summary);

  function summary() {
    const values = shown.points.map((it) => it.value);
    if (!values.length) return "nothing known yet";
    return `lowest ${number(Math.min(...values))}, highest ${number(Math.max(...values))}, now ${spell(shown.points[shown.points.length - 1])}`;
  }
  setAttribute(plot, "aria-label", `${name} ${words}`);
  setAttribute(plot, "aria-valuetext", summary());

  return (series) => {
    shown = series;
    const top = ceiling(Math.max(0, ...series.points.map((it) => it.value)));
    const made = paths(series, top);
    drawn.forEach((path, i) => setAttribute(path, "d", made[names[i]]));
    setText(high, figure(top));
    setText(half, figure(top / 2));
    setText(start, hourAndMinute(series.from));
    setText(middle, hourAndMinute(series.from + SPAN / 2));
    setText(note, series.points.length < 2 && kind === "curve" ? "The curve grows as snapshots are stored." : series.points.length ? "" : "No event in the last 30 minutes.");
    readAgain();
    showTable();
  };
}

/** @param {Point} point */
const spell = (point) => `${number(point.value)}${point.open ? " so far" : ""}`;

/**
 * Read single values by pointer, tap and arrow keys.
 *
 * @param {HTMLElement} plot @param {() => Series} shown @param {() => string} summary
 * @returns {() => void} to be called after each redrawing
 */
function reading(plot, shown, summary) {
  const cursor = element("span", { class: "cursor", hidden: "" });
  const readout = element("p", { class: "readout", hidden: "" });
  plot.append(cursor, readout);
  /** @type {number | null} where it is read, as a share of the width */
  let share = null;

  function show() {
    const series = shown();
    const point = share === null ? undefined : pointAt(series, series.from + share * SPAN);
    cursor.hidden = readout.hidden = !point;
    const words = point ? `${spell(point)} at ${point.lasts ? hourAndMinute(point.at) : time(point.at)}` : "";
    setText(readout, words);
    setAttribute(plot, "aria-valuetext", share === null ? summary() : words || "nothing known here");
    setAttribute(plot, "aria-valuenow", String(Math.round((share ?? 1) * 100)));
    if (!point) return;
    const at = (point.at + point.lasts / 2 - series.from) / SPAN;
    cursor.style.left = `${at * 100}%`;
    readout.classList.toggle("left", at > 0.5);
  }
  const move = (/** @type {number | null} */ to) => {
    share = to;
    show();
  };
  const follow = (/** @type {PointerEvent} */ event) => {
    const box = plot.getBoundingClientRect();
    move(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  };
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointermove", follow);
  // A finger that leaves has read its value; it stays until something else is touched.
  plot.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") move(null); });
  document.addEventListener("pointerdown", (event) => { if (!plot.contains(/** @type {Node} */ (event.target))) move(null); });
  plot.addEventListener("blur", () => move(null));
  plot.addEventListener("keydown", (event) => {
    const { from, points } = shown();
    const now = share === null ? points.length : points.indexOf(/** @type {Point} */ (pointAt(shown(), from + share * SPAN)));
    const wanted = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, Home: 0, End: points.length - 1 }[event.key];
    if (wanted === undefined || !points.length) return;
    event.preventDefault();
    const point = points[Math.min(points.length - 1, Math.max(0, wanted))];
    move((point.at + point.lasts / 2 - from) / SPAN);
  });
  return show;
}
