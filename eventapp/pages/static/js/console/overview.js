// The overview of an event: what was sold, and what can be done next.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatAmount, formatDay, formatNumber, makeLink, ngettext } from "../texts.js";
import { prepareDuplicate } from "./duplicate.js";
import { ask, event as shown, goTo, startPage } from "./frame.js";

const SALE_STATES = {
  on_sale: _("On sale"),
  scheduled: _("Not on sale yet"),
  ended: _("Sale is over"),
  sold_out: _("Sold out"),
};
const path = `/events/${shown.id}`;
const here = makeLink(`/console/events/${shown.id}`);
const currency = byId("overview").dataset.currency;
let event = null;
let stats = null;

async function load() {
  [event, stats] = await Promise.all([call("GET", path), call("GET", `${path}/stats`)]);
  showTiles();
  fill(byId("types"), event.ticketTypes.map(makeTypeRow));
  fill(byId("dates"), event.schedule.map((entry) => h("li", {}, describeDate(entry))));
  prepareDuplicate(event);
  byId("overview").hidden = false;
}

function showTiles() {
  const { sold, capacity } = stats;
  const tiles = [
    [_("Sold"), _("%(sold)s of %(capacity)s", { sold: formatNumber(sold), capacity: formatNumber(capacity) })],
    [_("Held for a payment"), formatNumber(stats.held)],
    [_("Net income"), formatAmount(stats.net, stats.currency)],
    [_("Waiting for tickets"), formatNumber(stats.waitlist.tickets)],
    [_("Views"), formatNumber(stats.views)],
  ];
  fill(byId("tiles"), tiles.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function makeTypeRow(type) {
  const cells = [
    [_("Price"), type.price ? formatAmount(type.price, currency) : _("Free"), "figure"],
    [_("Sold"), formatNumber(type.soldTickets), "figure"],
    [_("Held"), formatNumber(type.heldTickets), "figure"],
    [_("Left"), formatNumber(type.availableTickets), "figure"],
    [_("Sale"), SALE_STATES[type.saleState], null],
  ];
  return h("tr", {}, h("th", { scope: "row" }, type.type),
    cells.map(([label, value, kind]) => h("td", { "data-label": label, class: kind }, value)));
}

function describeDate({ date, startTime, endTime, location, timezone }) {
  const times = [startTime, endTime].filter(Boolean).join("–");
  const when = times ? `${formatDay(date)}, ${times}` : formatDay(date);
  return [h("strong", {}, when), ` · ${location} `, h("span", { class: "quiet small" }, timezone)];
}

// Runs an action of a button, if the person may do it.
function follow(id, message, action) {
  const button = byId(id);
  if (button) onClick(button, byId(message), action);
}

async function publish() {
  await call("POST", `${path}/publish`);
  goTo(here, _("The event is published."));
}

async function cancel() {
  stats = await call("GET", `${path}/stats`);
  const { confirmed, held } = stats.bookings;
  const count = confirmed + held;
  const bookings = ngettext(
    "%(num)s booking is cancelled and refunded, and its holder is told.",
    "%(num)s bookings are cancelled and refunded, and their holders are told.",
    count,
  );
  const text = count ? bookings : _("There are no bookings.");
  const isAgreed = await ask({
    title: _("Cancel “%(title)s” for good?", { title: event.title }),
    text: `${text} ${_("This cannot be undone.")}`,
    agree: _("Cancel the event"),
  });
  if (!isAgreed) return;
  await call("POST", `${path}/cancel`);
  goTo(here, _("The event is cancelled. Its bookings are cancelled and refunded within minutes."));
}

async function remove() {
  const isAgreed = await ask({
    title: _("Delete “%(title)s”?", { title: event.title }),
    text: _("It disappears with its codes, limits and questions. This cannot be undone."),
    agree: _("Delete"),
  });
  if (!isAgreed) return;
  await call("DELETE", path);
  goTo(makeLink("/console"), _("The event is deleted."));
}

async function copy() {
  await navigator.clipboard.writeText(byId("share").value);
  showMessage(byId("action-message"), _("The link is copied."), "good");
}

const share = byId("share");
if (share) share.value = location.origin + share.dataset.path;
follow("publish", "action-message", publish);
follow("copy", "action-message", copy);
follow("cancel", "more-message", cancel);
follow("delete", "more-message", remove);
await startPage(byId("load-failure"), load);
