// Shows a list of the API as a table: filters, loading, empty, failed, and "Show more".
//
// The markup is `console/list.html`. A list is filled anew when its filters change, and keeps them in
// the address of the page, so that going back or loading the page again shows the same rows.

import { call } from "../api.js";
import { fill, h, showMessage } from "../dom.js";
import { _, formatNumber, ngettext } from "../texts.js";
import { showProblem } from "./frame.js";

const TYPING_PAUSE_MS = 250;

// Returns a function that loads pages of `GET path`, whose rows are in the field `rowsName`.
// `query` holds fixed parameters; the filters of the list are added.
export function fromApi(path, rowsName, query = {}) {
  return async (filters, cursor, signal) => {
    const parameters = cursor ? { ...query, ...filters, cursor } : { ...query, ...filters };
    const answer = await call("GET", path, { query: parameters, signal });
    return { ...answer, rows: answer[rowsName] };
  };
}

// Shows a list in `root`.
//
// load(filters, cursor, signal): resolves to {rows, nextCursor, total, totalIsCapped}
// cells(row): the contents of the cells, in the order of the headings; a `false` cell is empty.
//   The first cell is the heading of its row.
// filters: a form whose inputs narrow the list, or null
//
// The rows that the list shows are in `rows`; `reload` loads the first page anew.
export class List {
  constructor(root, { load, cells, filters = null }) {
    this.root = root;
    this.rows = [];
    this.load = load;
    this.cells = cells;
    this.filters = filters;
    this.headings = [...root.querySelectorAll("thead th")];
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.part("more").addEventListener("click", () => this.showMore());
    if (filters) this.followFilters();
  }

  followFilters() {
    restoreFilters(this.filters);
    let timer = null;
    const reloadSoon = (pause) => {
      clearTimeout(timer);
      timer = setTimeout(() => this.reload(), pause);
    };
    this.filters.addEventListener("input", () => reloadSoon(TYPING_PAUSE_MS));
    this.filters.addEventListener("submit", (event) => {
      event.preventDefault();
      reloadSoon(0);
    });
  }

  // Loads the first page anew.
  async reload() {
    if (this.filters) keepFilters(this.filters);
    await this.request(null);
  }

  // Loads the next page, and moves the focus to its first row.
  async showMore() {
    const shown = this.rows.length;
    await this.request(this.nextCursor);
    this.part("rows").rows[shown]?.querySelector("a, button")?.focus();
  }

  async request(cursor) {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.root.setAttribute("aria-busy", "true");
    try {
      const page = await this.load(readFilters(this.filters), cursor, running.signal);
      if (this.running === running) this.show(page, Boolean(cursor));
    } catch (error) {
      if (running.signal.aborted) return;
      showProblem(this.part("failure"), error, () => this.request(cursor));
    }
    if (this.running === running) this.root.setAttribute("aria-busy", "false");
  }

  show(page, isContinued) {
    showMessage(this.part("failure"), "");
    this.rows = isContinued ? [...this.rows, ...page.rows] : page.rows;
    this.nextCursor = page.nextCursor || null;
    const made = page.rows.map((row) => this.makeRow(row));
    if (isContinued) this.part("rows").append(...made);
    else fill(this.part("rows"), made);
    const isEmpty = !this.rows.length;
    const isFiltered = Object.keys(readFilters(this.filters, true)).length > 0;
    this.part("frame").hidden = isEmpty;
    this.part("empty").hidden = !isEmpty || isFiltered;
    this.part("none").hidden = !isEmpty || !isFiltered;
    this.part("more").hidden = !this.nextCursor;
    this.part("count").textContent = isEmpty ? "" : describeCount(this.rows.length, page);
  }

  makeRow(row) {
    return h("tr", {}, this.cells(row).map((cell, index) => this.makeCell(cell, index)));
  }

  makeCell(cell, index) {
    const heading = this.headings[index];
    if (index === 0) return h("th", { scope: "row" }, cell);
    const label = heading.textContent.trim();
    return h("td", { class: heading.className || null, "data-label": label || null }, cell);
  }
}

function describeCount(shown, { total, totalIsCapped }) {
  if (total === undefined) return ngettext("%(num)s row", "%(num)s rows", shown);
  const count = totalIsCapped ? `${formatNumber(total)}+` : formatNumber(total);
  return _("%(shown)s of %(total)s", { shown: formatNumber(shown), total: count });
}

// Returns the filters that are set. An input with `data-default` is no filter while it has this value,
// which `onlyChanged` leaves out.
function readFilters(form, onlyChanged = false) {
  if (!form) return {};
  const found = {};
  for (const input of form.elements) {
    if (!input.name || !input.value.trim()) continue;
    if (onlyChanged && input.value === input.dataset.default) continue;
    found[input.name] = input.value.trim();
  }
  return found;
}

function keepFilters(form) {
  const address = new URL(location.href);
  for (const input of form.elements) if (input.name) address.searchParams.delete(input.name);
  for (const [name, value] of Object.entries(readFilters(form, true))) address.searchParams.set(name, value);
  history.replaceState(history.state, "", address);
}

function restoreFilters(form) {
  const kept = new URLSearchParams(location.search);
  for (const input of form.elements) {
    const value = input.name ? kept.get(input.name) : null;
    const isOption = input.tagName !== "SELECT" || [...input.options].some((each) => each.value === value);
    if (value !== null && isOption) input.value = value;
  }
}
