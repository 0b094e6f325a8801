// The figures of one event: sums, charts by day, and its ticket types.

import { call } from "../api.js";
import { byId, fill } from "../dom.js";
import { _, formatNumber } from "../texts.js";
import { bindDownloads } from "./downloads.js";
import { eventPath } from "./event_path.js";
import { formatShare, makeAmountFormat, showBars, showPoints, showTerms } from "./figure_parts.js";
import { startPage } from "./frame.js";
import { makeTable } from "./tables.js";

const [MS_PER_DAY, MOST_DAYS] = [24 * 60 * 60 * 1000, 366];

function showOverview(figures, amount) {
  showTerms(byId("overview"), [
    [_("Revenue"), amount(figures.revenue)],
    [_("Refunds"), amount(figures.refunded)],
    [_("Fees"), amount(figures.fees)],
    [_("Net of refunds and fees"), amount(figures.net)],
    [_("Tickets sold"), formatNumber(figures.sold)],
    [_("Tickets held"), formatNumber(figures.held)],
    [_("Tickets left"), formatNumber(figures.available)],
    [_("Sold of capacity"), formatShare(figures.utilization)],
    [_("Confirmed bookings"), formatNumber(figures.bookings.confirmed)],
    [_("Share of cancellations"), formatShare(figures.cancellationRate)],
    [_("Views"), formatNumber(figures.views)],
    [_("Waiting"), formatNumber(figures.waitlist.entries)],
  ]);
}

function showTypes(types, amount) {
  showBars(byId("type-bars"), types.map(({ type, sold, capacity }) => ({
    name: type, value: sold, maximum: capacity,
    text: _("%(sold)s of %(capacity)s", { sold: formatNumber(sold), capacity: formatNumber(capacity) }),
  })), "");
  const titles = [_("Ticket"), _("Price"), _("Sold"), _("Tickets held"), _("Tickets left"), _("Waiting"), _("Revenue")];
  const rows = types.map((each) => [
    each.type, amount(each.price), ...[each.sold, each.held, each.available, each.waiting].map((count) => formatNumber(count)),
    amount(each.revenue),
  ]);
  fill(byId("types"), makeTable(_("Ticket types"), titles, rows));
}

// Returns the points with one for each day between them on which nothing was sold, unless they are many.
function addEmptyDays(points) {
  const [first, last] = [points[0], points[points.length - 1]].map((point) => Date.parse(point.start) / MS_PER_DAY);
  if (last - first > MOST_DAYS) return points;
  const byStart = new Map(points.map((point) => [point.start, point]));
  const nothing = Object.fromEntries(Object.keys(points[0]).map((name) => [name, 0]));
  return Array.from({ length: last - first + 1 }, (_item, index) => {
    const start = new Date((first + index) * MS_PER_DAY).toISOString().slice(0, 10);
    return byStart.get(start) || { ...nothing, start };
  });
}

function showDays(days, currency) {
  byId("charts").hidden = !days.length;
  byId("no-days").hidden = Boolean(days.length);
  if (!days.length) return;
  const points = addEmptyDays(days.map(({ date, ...sums }) => ({ ...sums, start: date })));
  showPoints({ revenue: byId("revenue"), bookings: byId("bookings"), table: byId("points") }, points, currency);
}

bindDownloads(byId("message"), eventPath);
await startPage(byId("failure"), async () => {
  const figures = await call("GET", `${eventPath}/stats`);
  const amount = makeAmountFormat(figures.currency);
  showOverview(figures, amount);
  showTypes(figures.byType, amount);
  showDays(figures.byDay, figures.currency);
  byId("figures").hidden = false;
});
