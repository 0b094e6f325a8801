// The waitlist of an event: the open offers, and who waits in which order.

import { byId, fill, h } from "../dom.js";
import { _, formatNumber } from "../texts.js";
import { eventPath } from "./event_path.js";
import { describeDate, describeMoment } from "./labels.js";
import { fromApi, List } from "./table.js";
import { makeTable } from "./tables.js";

const loadPage = fromApi(`${eventPath}/waitlist`, "waitlist");

async function load(query, cursor, signal) {
  const page = await loadPage(query, cursor, signal);
  if (page.openOffers) showOffers(page.openOffers);
  return page;
}

function makeCells(entry) {
  return [
    formatNumber(entry.position), describeHolder(entry.holder), `${entry.quantity} × ${entry.type}`,
    describeDate(entry), describeMoment(entry.joinedAt),
  ];
}

function describeHolder(holder) {
  if (!holder) return h("span", { class: "quiet" }, _("no name yet"));
  return h("div", {}, h("strong", {}, holder.name), h("div", { class: "quiet small" }, holder.email));
}

function showOffers(offers) {
  const titles = [_("Name"), _("Tickets"), _("Date"), _("Open until")];
  const rows = offers.map((offer) => [
    describeHolder(offer.holder), describeTickets(offer), describeDate(offer), describeMoment(offer.expiresAt),
  ]);
  fill(byId("offers"), rows.length ? makeTable(_("Open offers"), titles, rows) : h("p", {}, _("No offer is open.")));
}

const describeTickets = ({ quantity, type, items }) =>
  (items ? items.map((item) => `${item.quantity} × ${item.type}`).join(", ") : `${quantity} × ${type}`);

await new List(byId("waitlist"), { load, cells: makeCells }).reload();
