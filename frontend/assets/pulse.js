/** Events by type: the way from looking to buying, then every other type. */

import { sparkline } from "./chart.js";
import { byId, element, reconcile, setNumber, setText, table, userText } from "./dom.js";
import { age, counted, decimal, figure, number, span, visible } from "./format.js";
import { series } from "./history.js";

/** @typedef {import("./api.js").Metrics} Metrics */
/** @typedef {import("./api.js").Snapshot} Snapshot */

/** The stages of a purchase and the event types that shops commonly send for each. */
const STAGES = [
  { name: "View", types: ["page_view"] },
  { name: "Cart", types: ["add_to_cart"] },
  { name: "Checkout", types: ["checkout", "begin_checkout", "checkout_start", "checkout_started"] },
  { name: "Purchase", types: ["purchase", "order_completed"] },
];
const STAGED = new Set(STAGES.flatMap((stage) => stage.types));
const OTHERS = 12; // types shown beside the stages

/** @param {Record<string, number>} byType @param {string[]} types */
const sum = (byType, types) => types.reduce((all, type) => all + (Object.hasOwn(byType, type) ? byType[type] : 0), 0);

/** @returns {(metrics: Metrics, snapshots: Snapshot[]) => void} */
export function pulse() {
  const stages = STAGES.map(stage);
  byId("stages").replaceChildren(...stages.map(({ node }) => node));
  /** @type {[string, number][]} at most the 100 most frequent */
  let types = [];
  const showTable = table(byId("pulse-table"), "Events by type", ["Event type", "Events"], () =>
    types.map(([type, count]) => [type, number(count)]));
  return ({ events }, snapshots) => {
    types = Object.entries(events.by_type).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    for (const each of stages) each.draw(events.by_type, snapshots);
    const others = types.filter(([type]) => !STAGED.has(type));
    showOthers(others, events.types - types.length + others.length);
    setText(byId("pulse-definition"), `${counted(events.total, "event")} in the last ${span(events.window_seconds)}, curves of the last hour.`);
    showTable();
  };
}

/** @param {{name: string, types: string[]}} of */
function stage({ name, types }) {
  const count = element("p", { class: "number" }, element("span", { class: "skeleton" }, "000"));
  const beside = element("p", { class: "context" }, "\u00a0");
  const spark = sparkline();
  const type = element("code", {}, types[0]);
  const node = element("li", {}, element("h3", {}, `${name} `, type), count, spark.node, beside);
  return {
    node,
    /** @param {Record<string, number>} byType @param {Snapshot[]} snapshots */
    draw(byType, snapshots) {
      const sent = types.filter((each) => Object.hasOwn(byType, each));
      setText(type, sent.length ? sent.join(" + ") : types[0]);
      const now = sum(byType, types);
      setNumber(count, now);
      const { points, ...hour } = series(snapshots, (snapshot) => sum(snapshot.events.by_type, types));
      spark.draw({ ...hour, points });
      const views = sum(byType, ["page_view"]);
      const rate = name !== "View" && views ? `${decimal((100 * now) / views)} per 100 views` : "";
      const first = points[0];
      const before = points.length > 2 ? `${age(hour.to - first.at)} ago: ${figure(first.value)}` : "";
      setText(beside, [rate, before].filter(Boolean).join(" · ") || "\u00a0");
    },
  };
}

/** @param {[string, number][]} others @param {number} all how many other types there are */
function showOthers(others, all) {
  const list = byId("others");
  const shown = others.slice(0, OTHERS);
  reconcile(list, shown, ([type]) => type,
    ([type]) => element("li", {}, userText(visible(type)), " ", element("span", { class: "number" })),
    (node, [, count]) => setNumber(/** @type {HTMLElement} */ (node.lastElementChild), count));
  if (all > shown.length) list.append(element("li", { class: "definition" }, `and ${counted(all - shown.length, "more type")}`));
}
