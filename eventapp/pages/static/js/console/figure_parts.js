// What pages of figures are made of: terms with their values, charts with their table, and bars.

import { fill, h } from "../dom.js";
import { _, formatAmount, formatNumber } from "../texts.js";
import { createTimeChart } from "./charts.js";
import { makeTable } from "./tables.js";

// Returns a function that writes amounts, always with two digits so that columns can be compared.
export const makeAmountFormat = (currency) => (amount) => formatAmount(amount, currency, 2);

export const formatShare = (share) => formatNumber(share, { style: "percent", maximumFractionDigits: 2 });

// Shows terms with their values as tiles.
export function showTerms(place, terms) {
  fill(place, terms.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

// Shows revenue and bookings over time as charts, and all values as a table.
//   points: as `points` of GET /analytics/revenue
export function showPoints({ revenue, bookings, table }, points, currency) {
  const amount = makeAmountFormat(currency);
  fill(revenue, createTimeChart(points, {
    name: "revenue", shape: "line", format: amount,
    describe: (values) => _("Revenue from %(from)s to %(to)s, %(total)s in all", values),
  }));
  fill(bookings, createTimeChart(points, {
    name: "bookings", shape: "bars", format: formatNumber,
    describe: (values) => _("Bookings from %(from)s to %(to)s, %(total)s in all", values),
  }));
  const titles = [
    _("From"), _("Revenue"), _("Bookings"), _("Tickets"), _("Cancellations"), _("Charged"), _("Refunds"), _("Fees"), _("Net"),
  ];
  const rows = points.map((point) => [
    point.start, amount(point.revenue), ...[point.bookings, point.tickets, point.cancelled].map((each) => formatNumber(each)),
    ...[point.charged, point.refunded, point.fees, point.net].map(amount),
  ]);
  fill(table, makeTable(_("Figures over time"), titles, rows));
}

// Shows a bar for each of `rows`: {name, value, maximum, text}.
export function showBars(place, rows, emptyText) {
  const bars = rows.map(({ name, value, maximum, text }) => h("div", { class: "bar-row" },
    h("span", {}, name), h("span", { class: "quiet figure" }, text),
    h("progress", { max: maximum || 1, value, "aria-label": `${name}: ${text}` })));
  fill(place, bars.length ? bars : h("p", { class: "quiet" }, emptyText));
}
