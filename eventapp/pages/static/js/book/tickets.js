// The ticket types of a date, each with its state and the number of tickets to book.

import { h } from "../dom.js";
import { _, formatAmount, formatMoment, ngettext } from "../texts.js";

const FEW = 20;

// Returns the list of types. `actions` has `onQuantity(typeId, quantity)` and `showWaiting(type, row)`, which
// returns what to show of the waitlist of a type that is sold out.
export function showTypes(shop, selection, actions) {
  return h("ul", { class: "ticket-types booking-types", role: "list" },
    shop.types.map((type) => showType(shop, selection, type, actions)));
}

function showType(shop, selection, type, actions) {
  const row = shop.rowOf(selection.scheduleId, type);
  const headingId = `type-${type.ticketTypeId}`;
  const isOpen = row.saleState === "on_sale" && row.availableTickets > 0;
  return h("li", {},
    h("div", { class: "words" },
      h("h3", { id: headingId }, type.type),
      type.description && h("p", { class: "quiet small" }, type.description),
      h("p", { class: "small" }, describeState(shop, type, row))),
    h("p", { class: "amount" }, type.price ? formatAmount(type.price, shop.currency) : _("Free")),
    isOpen && showStepper(shop, selection, type, actions.onQuantity),
    row.saleState === "sold_out" && actions.showWaiting(type, row));
}

function describeState(shop, type, row) {
  const zone = shop.event.schedule[0].timezone;
  if (row.saleState === "sold_out") return h("span", { class: "badge bad" }, _("Sold out"));
  if (row.saleState === "scheduled") {
    return type.salesFrom ? _("On sale from %(time)s", { time: formatMoment(type.salesFrom, zone) }) : _("Not on sale yet");
  }
  if (row.saleState === "ended") return _("Sale ended");
  const parts = [];
  if (row.availableTickets <= FEW) parts.push(ngettext("%(num)s left", "%(num)s left", row.availableTickets));
  if (type.minPerBooking > 1) parts.push(_("at least %(count)s in a booking", { count: type.minPerBooking }));
  if (type.maxPerBooking) parts.push(_("at most %(count)s in a booking", { count: type.maxPerBooking }));
  if (type.salesUntil) parts.push(_("on sale until %(time)s", { time: formatMoment(type.salesUntil, zone) }));
  return h("span", { class: "quiet" }, parts.join(" · "));
}

function showStepper(shop, selection, type, onQuantity) {
  const least = type.minPerBooking || 1, most = shop.mostOf(selection.scheduleId, type);
  const input = h("input", {
    type: "number", inputmode: "numeric", min: 0, max: most, step: 1, class: "figure",
    id: `quantity-${type.ticketTypeId}`, name: `quantity-${type.ticketTypeId}`,
    "aria-label": _("Tickets: %(type)s", { type: type.type }),
    value: String(selection.quantityOf(type.ticketTypeId)),
  });
  const set = (quantity) => {
    input.value = String(quantity);
    change();
  };
  const change = () => {
    const quantity = Math.max(0, Math.floor(Number(input.value) || 0));
    const isTooFew = quantity > 0 && quantity < least;
    input.setCustomValidity(isTooFew ? _("Book at least %(count)s tickets of this type.", { count: least }) : describeExcess(quantity, most));
    less.disabled = quantity === 0;
    more.disabled = quantity >= most;
    onQuantity(type.ticketTypeId, quantity);
  };
  const current = () => Math.max(0, Math.floor(Number(input.value) || 0));
  const less = h("button", {
    type: "button", "aria-label": _("One less: %(type)s", { type: type.type }),
    onclick: () => set(current() <= least ? 0 : current() - 1),
  }, "−");
  const more = h("button", {
    type: "button", "aria-label": _("One more: %(type)s", { type: type.type }),
    onclick: () => set(Math.min(most, Math.max(least, current() + 1))),
  }, "+");
  input.addEventListener("input", change);
  less.disabled = current() === 0;
  more.disabled = current() >= most;
  input.setCustomValidity(current() && current() < least
    ? _("Book at least %(count)s tickets of this type.", { count: least }) : describeExcess(current(), most));
  return h("div", { class: "stepper field" }, less, input, more);
}

// The sentence of the browser would be in its language, not in that of the page.
function describeExcess(quantity, most) {
  if (quantity <= most) return "";
  return ngettext("You can book at most %(num)s ticket of this type.", "You can book at most %(num)s tickets of this type.", most);
}
