// The list of the events of whoever is signed in.

import { byId, h } from "../dom.js";
import { _, formatDay, formatNumber, makeLink } from "../texts.js";
import { makeStatusBadge } from "./statuses.js";
import { fromApi, List } from "./table.js";

const NEWEST = { sortBy: "eventId", sortOrder: "desc" };
const ORDERS = {
  date: { sortBy: "date", sortOrder: "asc" },
  title: { sortBy: "title", sortOrder: "asc" },
};

const loadPage = fromApi("/events", "events", { mine: true });

async function load({ sort, ...filters }, cursor, signal) {
  // Without an order, a search has its best match first.
  const order = ORDERS[sort] || (filters.search ? {} : NEWEST);
  return loadPage({ ...filters, ...order }, cursor, signal);
}

function makeCells(event) {
  return [
    h("a", { class: "row-link", href: makeLink(`/console/events/${event.eventId}`) }, event.title),
    describeDates(event.schedule),
    makeStatusBadge(event.status),
    describeSales(event.ticketTypes),
  ];
}

function describeDates(schedule) {
  const days = schedule.map((entry) => entry.date).sort();
  const today = new Date().toLocaleDateString("sv");
  const next = days.find((day) => day >= today) || days.at(-1);
  const others = days.length - 1;
  return others ? [formatDay(next), " ", h("span", { class: "quiet" }, `+${formatNumber(others)}`)] : formatDay(next);
}

// What was sold is told to those who may read it.
function describeSales(types) {
  if (types.some((type) => type.capacity === undefined)) return "";
  const add = (name) => types.reduce((sum, type) => sum + type[name], 0);
  return _("%(sold)s of %(capacity)s", { sold: formatNumber(add("soldTickets")), capacity: formatNumber(add("capacity")) });
}

await new List(byId("events"), { load, cells: makeCells, filters: byId("filters") }).reload();
