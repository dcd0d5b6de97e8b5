/** A curve of one number over the last hour, as inline SVG, with the table behind it. */

import { element, setAttribute, setText, svg, table } from "./dom.js";
import { figure, hourAndMinute, number, time } from "./format.js";
import { HOUR, byMinute, nearest, stretches } from "./history.js";

/** @typedef {import("./history.js").Series} Series */

const WIDTH = 3600;
const HEIGHT = 1000;

/** The smallest of 1, 2, 2.5, 5 × 10ⁿ that is not below `value`; at least 4, so that whole numbers fit. @param {number} value */
export function ceiling(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * /** @type {number} */ ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value));
}

/** @param {Series} series @param {number} top */
function paths({ from, points }, top) {
  const x = (/** @type {number} */ at) => (((at - from) / HOUR) * WIDTH).toFixed(1);
  const y = (/** @type {number} */ value) => (HEIGHT - (value / top) * HEIGHT).toFixed(1);
  const runs = stretches(points);
  const line = runs.map((run) => `M${run.map(({ at, value }) => `${x(at)} ${y(value)}`).join("L")}`);
  const area = runs.map((run, i) => `${line[i]}L${x(run[run.length - 1].at)} ${HEIGHT}L${x(run[0].at)} ${HEIGHT}Z`);
  return { line: line.join(""), area: area.join("") };
}

/** A curve without axes, for small places; the number stands beside it. @returns {{node: Element, draw: (series: Series) => void}} */
export function sparkline() {
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line" });
  const node = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
  return {
    node,
    draw(series) {
      const drawn = paths(series, Math.max(1, ...series.points.map((point) => point.value)));
      setAttribute(line, "d", drawn.line);
      setAttribute(area, "d", drawn.area);
    },
  };
}

/**
 * @param {HTMLElement} host
 * @param {string} name what is counted, as in `Active users`
 * @returns {(series: Series) => void}
 */
export function chart(host, name) {
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line" });
  const grid = [0.5, HEIGHT / 2, HEIGHT].map((y) => svg("path", { class: "grid", d: `M0 ${y}H${WIDTH}` }));
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": describe(name, []) }, ...grid, area, line);
  const [high, half] = [element("span", { class: "high" }), element("span", { class: "half" })];
  const dot = element("span", { class: "dot", hidden: "" });
  const readout = element("p", { class: "readout", hidden: "" });
  const cursor = element("span", { class: "cursor", hidden: "" });
  const note = element("p", { class: "note" });
  const plot = element("div", { class: "plot" }, drawing, cursor, dot, note, readout);
  const [start, middle] = [element("span"), element("span")];
  const axis = element("p", { class: "axis", "aria-hidden": "true" }, start, middle, element("span", {}, "now"));
  const scale = element("p", { class: "scale", "aria-hidden": "true" }, high, half, element("span", { class: "zero" }, "0"));
  const details = element("details", { class: "table" }, element("summary", {}, `${name}, last hour, as a table`));
  host.replaceChildren(element("div", { class: "frame" }, plot, scale), axis, details);

  /** @type {Series} */
  let shown = { from: 0, to: HOUR, points: [] };
  const showTable = table(details, `${name} over the last hour`, ["Time", name], () =>
    byMinute(shown.points).map(({ at, value }) => [hourAndMinute(at), number(value)]));
  follow(plot, cursor, readout, () => shown);

  return (series) => {
    shown = series;
    const values = series.points.map((point) => point.value);
    const top = ceiling(Math.max(0, ...values));
    const drawn = paths(series, top);
    setAttribute(line, "d", drawn.line);
    setAttribute(area, "d", drawn.area);
    setText(high, figure(top));
    setText(half, figure(top / 2));
    setText(start, hourAndMinute(series.from));
    setText(middle, hourAndMinute(series.from + HOUR / 2));
    setText(note, values.length > 1 ? "" : "The curve grows as snapshots are stored.");
    dot.hidden = values.length === 0;
    dot.style.top = `${100 - ((values.at(-1) ?? 0) / top) * 100}%`;
    setAttribute(drawing, "aria-label", describe(name, values));
    showTable();
  };
}

/** @param {string} name @param {number[]} values */
function describe(name, values) {
  if (!values.length) return `${name} over the last hour: nothing stored yet`;
  return `${name} over the last hour: lowest ${number(Math.min(...values))}, highest ${number(Math.max(...values))}, now ${number(values[values.length - 1])}`;
}

/** Show the value under the pointer. @param {HTMLElement} plot @param {HTMLElement} cursor @param {HTMLElement} readout @param {() => Series} shown */
function follow(plot, cursor, readout, shown) {
  const hide = () => { cursor.hidden = readout.hidden = true; };
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("pointermove", (event) => {
    const { from, points } = shown();
    const box = plot.getBoundingClientRect();
    const point = nearest(points, from + ((event.clientX - box.left) / box.width) * HOUR);
    if (!point) return hide();
    const share = (point.at - from) / HOUR;
    cursor.style.left = `${share * 100}%`;
    readout.classList.toggle("left", share > 0.5);
    setText(readout, `${number(point.value)} at ${time(point.at)}`);
    cursor.hidden = readout.hidden = false;
  });
}
