/** From looking to buying: events by type as a funnel, carts left open, then every other type. */

import { byId, element, reconcile, setNumber, setText, table, userText } from "./dom.js";
import { counted, decimal, number, span, visible } from "./format.js";

/** @typedef {import("./api.js").Metrics} Metrics */

/** The stages of a purchase and the event types that shops commonly send for each. */
const STAGES = [
  { name: "Views", types: ["page_view"] },
  { name: "Added to cart", types: ["add_to_cart"] },
  { name: "Checkout", types: ["checkout", "begin_checkout", "checkout_start", "checkout_started"] },
  { name: "Purchase", types: ["purchase", "order_completed"] },
];
const STAGED = new Set(STAGES.flatMap((stage) => stage.types));
const OTHERS = 12; // types shown beside the stages

/** @param {Record<string, number>} byType @param {string[]} types */
const sum = (byType, types) => types.reduce((all, type) => all + (Object.hasOwn(byType, type) ? byType[type] : 0), 0);

/** @returns {(metrics: Metrics) => void} */
export function funnel() {
  const rows = STAGES.map(stageRow);
  byId("stages").replaceChildren(...rows.map(({ node }) => node));
  /** @type {[string, number][]} at most the 100 most frequent */
  let types = [];
  const showTable = table(byId("funnel-table"), "Events by type", ["Event type", "Events"], () =>
    types.map(([type, count]) => [type, number(count)]));
  return ({ events, carts }) => {
    types = Object.entries(events.by_type).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const counts = STAGES.map((stage) => sum(events.by_type, stage.types));
    rows.forEach((row, i) => row.show(events.by_type, counts, i));
    showCarts(carts);
    const others = types.filter(([type]) => !STAGED.has(type));
    showOthers(others, events.types - types.length + others.length);
    setText(byId("funnel-definition"), `Of ${counted(events.total, "event")} in the last ${span(events.window_seconds)}; events, not people.`);
    showTable();
  };
}

/** @param {typeof STAGES[number]} stage */
function stageRow({ name, types }) {
  const count = element("span", { class: "number" }, element("span", { class: "skeleton" }, "000"));
  const rate = element("span", { class: "definition" }, "\u00a0");
  const type = element("code", {}, types[0]);
  const node = element("li", {}, element("h3", {}, name), type, element("span", { class: "track", "aria-hidden": "true" }, element("span", { class: "bar" })), count, rate);
  return {
    node,
    /** @param {Record<string, number>} byType @param {number[]} counts of all stages @param {number} i */
    show(byType, counts, i) {
      const sent = types.filter((each) => Object.hasOwn(byType, each));
      setText(type, sent.length ? sent.join(" + ") : types[0]);
      setNumber(count, counts[i]);
      node.style.setProperty("--share", String(counts[i] / Math.max(1, ...counts)));
      setText(rate, i && counts[0] ? `${decimal((100 * counts[i]) / counts[0])} per 100 views` : "\u00a0");
    },
  };
}

/** @param {Metrics["carts"]} carts */
function showCarts(carts) {
  const node = byId("carts");
  node.hidden = !carts;
  if (!carts) return;
  if (!node.firstChild) node.append(element("strong", { class: "number" }), element("span"));
  const [open, rest] = /** @type {HTMLElement[]} */ ([...node.children]);
  setNumber(open, carts.open);
  setText(rest, `${carts.open === 1 ? "open cart" : "open carts"}: not bought yet, of ${number(carts.carts)} filled in the last ${span(carts.window_seconds)}.`);
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
