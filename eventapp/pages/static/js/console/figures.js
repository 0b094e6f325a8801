// The figures of all events of an organizer, or of all events for an admin.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onSubmit } from "../forms.js";
import { _, formatNumber, formatTime } from "../texts.js";
import { bindDownloads } from "./downloads.js";
import { formatShare, makeAmountFormat, showBars, showPoints, showTerms } from "./figure_parts.js";
import { startPage } from "./frame.js";
import { makeTable } from "./tables.js";

const [period, message] = ["period", "message"].map(byId);
const [BEST, FULLEST] = [5, 8];
const MS_PER_DAY = 24 * 60 * 60 * 1000;

function showOverview(figures) {
  const amount = makeAmountFormat(figures.currency);
  showTerms(byId("overview"), [
    [_("Revenue"), amount(figures.revenue)],
    [_("Charged"), amount(figures.charged)],
    [_("Refunds"), amount(figures.refunded)],
    [_("Fees"), amount(figures.fees)],
    [_("Net of refunds and fees"), amount(figures.net)],
    [_("Tickets sold"), formatNumber(figures.ticketsSold)],
    [_("Confirmed bookings"), formatNumber(figures.bookings.confirmed)],
    [_("Share of cancellations"), formatShare(figures.cancellationRate)],
    [_("Events"), formatNumber(figures.events.total)],
    [_("Sold of capacity"), formatShare(figures.utilization)],
    [_("Tickets left"), formatNumber(figures.available)],
    [_("Waiting"), describeWaiting(figures.waitlist)],
  ]);
}

const describeWaiting = ({ entries, tickets }) =>
  _("%(people)s for %(tickets)s", { people: formatNumber(entries), tickets: formatNumber(tickets) });

async function showPeriod() {
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const query = { ...Object.fromEntries(new FormData(period)), timezone };
  const { points, currency } = await call("GET", "/analytics/revenue", { query });
  showPoints({ revenue: byId("revenue"), bookings: byId("bookings"), table: byId("points") }, points, currency);
}

function showBest(events, currency) {
  const amount = makeAmountFormat(currency);
  const maximum = Math.max(...events.map((event) => event.revenue));
  showBars(byId("best"), events.map(({ title, revenue }) => (
    { name: title, value: revenue, maximum, text: amount(revenue) })), _("There are no events yet."));
}

function showCapacity(events) {
  showBars(byId("capacity"), events.map(({ title, sold, capacity }) => ({
    name: title, value: sold, maximum: capacity,
    text: _("%(sold)s of %(capacity)s", { sold: formatNumber(sold), capacity: formatNumber(capacity) }),
  })), _("There are no events yet."));
}

function showWaitlist({ events }) {
  const titles = [_("Event"), _("People"), _("Tickets"), _("Open offers")];
  const rows = events.map((event) => [event.title, ...[event.entries, event.tickets, event.openOffers].map((each) => formatNumber(each))]);
  fill(byId("waitlist"), rows.length ? makeTable(_("Who waits"), titles, rows) : h("p", { class: "quiet" }, _("Nobody waits.")));
}

async function load() {
  const rank = (sortBy, limit) => call("GET", "/analytics/events", { query: { sortBy, limit } });
  const [overview, best, fullest] = await Promise.all([
    call("GET", "/analytics/overview"), rank("revenue", BEST), rank("utilization", FULLEST), showPeriod(),
  ]);
  showOverview(overview);
  showBest(best.events, overview.currency);
  showCapacity(fullest.events);
  showWaitlist(overview.waitlist);
  byId("figures").hidden = false;
  showMessage(message, "");
  byId("loaded").textContent = _("Figures of %(time)s", { time: formatTime(new Date()) });
}

// Returns the UTC date this number of days from today.
const dateFromToday = (days) => new Date(Date.now() + days * MS_PER_DAY).toISOString().slice(0, 10);

period.elements.from.value = dateFromToday(-29);
period.elements.to.value = dateFromToday(0);
onSubmit(period, message, showPeriod);
bindDownloads(message);
await startPage(byId("failure"), load);
