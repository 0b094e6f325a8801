// Builds tables whose rows are all known: see table.js for lists of the API that are read by pages.

import { h } from "../dom.js";

// Returns a table. On a phone it is a list, in which each cell shows the title of its column.
//   rows: the contents of the cells of each row; the first cell is the heading of its row
export function makeTable(caption, titles, rows) {
  const frame = { class: "table-frame", tabindex: 0, role: "region", "aria-label": caption };
  return h("div", { class: "list" }, h("div", frame, h("table", { class: "stacked" },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, index) => makeCell(titles[index], cell, index))))))));
}

function makeCell(title, cell, index) {
  if (index === 0) return h("th", { scope: "row" }, h("div", {}, cell));
  return h("td", { "data-label": title }, h("div", {}, cell));
}
