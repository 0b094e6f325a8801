// The orders of an event: the list, and the order that the address names after `#`.

import { call } from "../api.js";
import { byId, h, showMessage } from "../dom.js";
import { onSubmit } from "../forms.js";
import { _, formatAmount } from "../texts.js";
import { bindDownloads } from "./downloads.js";
import { eventPath } from "./event_path.js";
import { event, showProblem } from "./frame.js";
import { describeMoment, makeBookingBadge } from "./labels.js";
import { showOrder } from "./order.js";
import { fromApi, List } from "./table.js";

const [find, message, failure] = ["find", "message", "order-failure"].map(byId);
const list = new List(byId("orders"), {
  load: fromApi(`${eventPath}/bookings`, "bookings"),
  cells: makeCells,
  filters: byId("filters"),
});

function makeCells(booking) {
  const { bookingReference: reference, items, totalPrice, currency, status, createdAt } = booking;
  const tickets = items.map(({ quantity, type }) => h("div", {}, `${quantity} × ${type}`));
  return [
    h("a", { class: "row-link reference", href: `#${reference}` }, reference),
    makeBookingBadge(status), h("div", {}, tickets), formatAmount(totalPrice, currency), describeMoment(createdAt),
  ];
}

// Shows the order that the address names, or the list.
async function openFromAddress() {
  const reference = decodeURIComponent(location.hash.slice(1));
  byId("all-orders").hidden = Boolean(reference);
  byId("one-order").hidden = !reference;
  for (const place of [message, failure, byId("order")]) showMessage(place, "");
  if (!reference) {
    await list.reload();
    return;
  }
  try {
    await showOrder(byId("order"), message, await findBooking(reference));
  } catch (error) {
    showProblem(failure, error, openFromAddress);
  }
}

// Returns the booking of this event with a reference.
async function findBooking(reference) {
  const { data: { booking } } = await call("GET", `/bookings/reference/${encodeURIComponent(reference)}`);
  if (booking.eventId !== event.id) throw Object.assign(new Error(_("This order is of another event.")), { status: 404 });
  return booking;
}

onSubmit(find, byId("find-message"), async () => {
  const booking = await findBooking(find.elements.reference.value.trim());
  find.reset();
  location.hash = booking.bookingReference;
});
bindDownloads(byId("find-message"), eventPath);
window.addEventListener("hashchange", openFromAddress);
await openFromAddress();
