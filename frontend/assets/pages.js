/** The most viewed pages. */

import { byId, setText, table } from "./dom.js";
import { counted, decimal, number, span } from "./format.js";
import { ranking, showEmpty } from "./ranking.js";

/** @typedef {import("./api.js").Metrics} Metrics */

/** @returns {(metrics: Metrics) => void} */
export function pages() {
  const show = ranking(byId("pages"), byId("pages-title"), (count) => counted(count, "view"), 5);
  /** @type {Metrics["page_views"]} */
  let views = { window_seconds: 900, total: 0, pages: 0, top: [] };
  const showTable = table(byId("pages-table"), "Top pages", ["Page", "Views", "Share of all views"], () =>
    views.top.map((page) => [page.page_url, number(page.views), `${decimal((100 * page.views) / views.total)} %`]));
  return (metrics) => {
    views = metrics.page_views;
    show(views.top.map((page) => ({ name: page.page_url, count: page.views })));
    const past = span(views.window_seconds);
    const most = views.top.length === 1 ? "The most viewed page" : `The ${views.top.length || 5} most viewed pages`;
    setText(byId("pages-definition"), `${most} in the last ${past}${views.pages > views.top.length ? `, of ${number(views.pages)}` : ""}.`);
    showEmpty("pages-empty", views.top.length === 0, `No page views in the last ${past}.`);
    byId("pages-hint").hidden = views.top.length > 0;
    showTable();
  };
}
