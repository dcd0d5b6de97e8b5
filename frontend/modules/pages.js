/** The most viewed pages: their share, what changed, 50 of them on demand, and the list to take away. */

import { announce } from "./announcer.js";
import * as api from "./api.js";
import { copyText, saveFile } from "./carry.js";
import { shortChangeOf } from "./comparison.js";
import { byId, setAttribute, setText, table } from "./dom.js";
import { counted, number, percent, span, visible } from "./format.js";
import { ranking, showEmpty } from "./ranking.js";

/** @typedef {api.Metrics} Metrics */

const MORE = 50;

export class Pages {
  #show = ranking(byId("pages"), byId("pages-title"), (count) => counted(count, "view"), 5);
  #showTable;
  /** @type {Metrics["page_views"]} */
  #views = { window_seconds: 900, total: 0, pages: 0, top: [] };
  #wide = false;

  /** @param {() => void} refresh asks for the numbers anew */
  constructor(refresh) {
    this.#showTable = table(byId("pages-table"), "Top pages", ["Page", "Views", "Share of all views"], () =>
      this.#rows().map(([page, ...counts]) => [visible(page), ...counts]));
    byId("pages-more").addEventListener("click", () => {
      this.#wide = !this.#wide;
      setAttribute(byId("pages-more"), "aria-expanded", String(this.#wide));
      setText(byId("pages-more"), this.#wide ? "Show 5" : `Show ${MORE}`);
      refresh();
    });
    byId("pages-copy").addEventListener("click", () => {
      const copied = copyText(this.#rows().map((cells) => cells.join("\t")).join("\n"));
      void copied.then((done) => announce(done ? `${counted(this.#views.top.length, "page")} copied.` : "The browser does not allow copying."));
    });
    byId("pages-csv").addEventListener("click", () => {
      const lines = this.#views.top.map((page) => `${csvCell(page.page_url)},${page.views},${page.views / this.#views.total}`);
      saveFile("top-pages.csv", "text/csv", ["page_url,views,share", ...lines, ""].join("\r\n"));
    });
  }

  #rows() {
    return this.#views.top.map((page) => [page.page_url, number(page.views), percent(page.views, this.#views.total)]);
  }

  /** The ranking to show: the document's, or a longer one if that is wanted. @param {Metrics} metrics */
  async load(metrics) {
    const longer = this.#wide && !document.documentElement.classList.contains("wall");
    return longer ? api.pageViews(MORE).catch(() => metrics.page_views) : metrics.page_views;
  }

  /** @param {Metrics} metrics @param {Metrics["page_views"]} views as `load` gave them */
  show({ comparison }, views) {
    this.#views = views;
    const before = comparison?.previous?.pages ?? {};
    this.#show(views.top.map((page) => ({
      name: page.page_url,
      count: page.views,
      share: percent(page.views, views.total),
      change: Object.hasOwn(before, page.page_url) ? shortChangeOf(page.views, before[page.page_url], "in 15 min") : undefined,
    })));
    const past = span(views.window_seconds);
    const most = views.top.length === 1 ? "The most viewed page" : `The ${views.top.length || 5} most viewed pages`;
    const more = views.pages > views.top.length ? `, of ${number(views.pages)}` : "";
    const rest = views.unranked ? ` ${number(views.unranked)} views of more pages than can be told apart are counted in the total alone.` : "";
    setText(byId("pages-definition"), `${most} in the last ${past}${more}.${rest}`);
    showEmpty("pages-empty", views.top.length === 0, `No page views in the last ${past}.`);
    byId("pages-tools").hidden = views.top.length === 0;
    byId("pages-more").hidden = !this.#wide && views.pages <= views.top.length;
    this.#showTable();
  }
}

/** A cell that no spreadsheet takes for a formula. @param {string} text */
const csvCell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
