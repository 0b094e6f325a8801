// One order: who booked what, its payment and refunds, and what may be done with it.

import { call } from "../api.js";
import { fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatAmount, ngettext } from "../texts.js";
import { saveFile } from "./downloads.js";
import { eventPath } from "./event_path.js";
import { ask, event } from "./frame.js";
import { makeKeys } from "./keys.js";
import { describeDate, describeMoment, describePayment, describeRefundReason, makeBadge, makeBookingBadge } from "./labels.js";
import { makeTable } from "./tables.js";

// The API looks through 5,000 orders for a page of attendees.
const MOST_PAGES = 20;
const keys = makeKeys();

// Shows an order in `place`. Its actions are shown only to those who manage the event.
export async function showOrder(place, message, booking) {
  const tickets = await findTickets(booking);
  const holder = tickets[0]?.holder;
  const heading = h("h2", { tabindex: "-1" }, booking.bookingReference, " ", makeBookingBadge(booking.status));
  const redraw = async (changed, text) => {
    await showOrder(place, message, changed);
    showMessage(message, text, "good");
  };
  fill(place, heading, makeFacts(booking, holder), makeItems(booking), makeTickets(tickets),
    makeRefunds(booking), makeActions({ booking, message, place, redraw }));
  heading.focus();
}

// Returns the valid tickets of an order as the list of attendees has them, with `holder` and check-in.
// The list is searched by the reference, which may be in other orders' names, too.
async function findTickets({ bookingReference, quantity, status }) {
  const found = [];
  let query = status === "confirmed" ? { search: bookingReference, limit: 100 } : null;
  for (let read = 0; query && found.length < quantity && read < MOST_PAGES; read += 1) {
    const { attendees, nextCursor } = await call("GET", `${eventPath}/attendees`, { query });
    found.push(...attendees.filter((each) => each.bookingReference === bookingReference));
    query = nextCursor && { cursor: nextCursor, limit: 100 };
  }
  return found;
}

function makeFacts(booking, holder) {
  const { payment } = booking;
  const facts = [
    [_("Booked by"), holder && `${holder.name}, ${holder.email}`],
    [_("Booked at"), describeMoment(booking.createdAt)],
    [_("Date and place"), `${describeDate(booking)}, ${booking.location}`],
    [_("Code"), booking.promoCode],
    [_("Payment"), payment && describePayment(payment.status)],
    [_("Held until"), booking.expiresAt && describeMoment(booking.expiresAt)],
    [_("Cancelled at"), booking.cancelledAt && describeMoment(booking.cancelledAt)],
  ].filter(([, value]) => value);
  return h("dl", { class: "facts" }, facts.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

function makeItems({ items, currency, totalPrice }) {
  const titles = [_("Tickets"), _("Price"), _("Discount"), _("Total")];
  const amount = (value) => formatAmount(value, currency);
  const rows = items.map((item) => [
    `${item.quantity} × ${item.type}`, amount(item.unitPrice), amount(item.discount), amount(item.total),
  ]);
  return [makeTable(_("Items"), titles, rows), h("p", {}, h("strong", {}, _("Total: %(amount)s", { amount: amount(totalPrice) })))];
}

function makeTickets(tickets) {
  if (!tickets.length) return null;
  return h("fieldset", {}, h("legend", {}, _("Tickets and who comes")),
    tickets.map((ticket) => (event.mayEdit ? makeChoice(ticket) : h("p", {}, describeTicket(ticket)))));
}

function makeChoice(ticket) {
  const input = h("input", { type: "checkbox", name: "ticket", value: ticket.ticketId, disabled: Boolean(ticket.checkedInAt) });
  return h("label", { class: "choice" }, input, h("span", {}, describeTicket(ticket)));
}

function describeTicket({ type, attendee, checkedInAt }) {
  const answers = (attendee?.answers || []).map(describeAnswer);
  return [
    h("strong", {}, type), " ", attendee?.name || h("span", { class: "quiet" }, _("no name yet")),
    attendee?.email ? `, ${attendee.email}` : "", " ",
    checkedInAt ? makeBadge(_("Checked in"), "good") : "",
    answers.map((answer) => h("div", { class: "quiet small" }, answer)),
  ];
}

// Returns a question and its answer as a text.
export function describeAnswer({ label, value }) {
  const words = { true: _("Yes"), false: _("No") };
  return `${label}: ${words[value] || value}`;
}

function makeRefunds({ refunds, refund }) {
  const all = refunds?.length ? refunds : refund ? [refund] : [];
  if (!all.length) return null;
  const rows = all.map((each) => [formatAmount(each.amount, each.currency), describeMoment(each.refundedAt), describeRefundReason(each.reason)]);
  return h("div", {}, h("h3", {}, _("Refunds")), makeTable(_("Refunds"), [_("Amount"), _("When"), _("Reason")], rows));
}

function makeActions(order) {
  const { booking } = order;
  const isActive = ["held", "confirmed"].includes(booking.status);
  const buttons = [
    booking.payment && booking.totalPrice > 0 && makeButton(order, _("Receipt (PDF)"), "", saveReceipt),
    event.mayEdit && booking.status === "confirmed" && makeButton(order, _("Send the tickets again"), "", sendAgain),
    event.mayEdit && booking.status === "confirmed" && makeButton(order, _("Cancel and refund the chosen tickets"), "", cancelTickets),
    event.mayEdit && isActive && makeButton(order, _("Cancel and refund the whole order"), "danger", cancelOrder),
  ];
  return h("div", { class: "row" }, buttons);
}

function makeButton(order, text, kind, action) {
  const button = h("button", { type: "button", class: kind || null }, text);
  onClick(button, order.message, () => action(order));
  return button;
}

async function saveReceipt({ booking }) {
  await saveFile(`/bookings/${booking._id}/receipt?format=pdf`, `${booking.bookingReference}.pdf`);
}

async function sendAgain({ booking, message }) {
  await call("POST", `/bookings/${booking._id}/resend`);
  showMessage(message, _("The tickets are sent to the holder again."), "good");
}

async function cancelTickets({ booking, place, redraw, message }) {
  const ticketIds = [...place.querySelectorAll("[name=ticket]:checked")].map((input) => input.value);
  if (!ticketIds.length) {
    showMessage(message, _("Choose at least one ticket."), "warn");
    return;
  }
  const isSure = await ask({
    title: ngettext("Cancel and refund %(num)s ticket?", "Cancel and refund %(num)s tickets?", ticketIds.length),
    text: _("The holder gets a mail. The tickets are sold again or offered to those who wait."),
    agree: _("Cancel and refund"),
  });
  if (!isSure) return;
  const headers = { "Idempotency-Key": keys.get([booking._id, ticketIds]) };
  const { data } = await call("POST", `/bookings/${booking._id}/cancellations`, { body: { ticketIds }, headers });
  await redraw(data.booking, describeRefund(data.refund));
}

function describeRefund(refund) {
  if (!refund) return _("Cancelled. There was nothing to refund.");
  return _("Cancelled. %(amount)s are refunded.", { amount: formatAmount(refund.amount, refund.currency) });
}

async function cancelOrder({ booking, redraw }) {
  const isSure = await ask({
    title: _("Cancel the whole order?"),
    text: _("All of its tickets become void, and what was paid is refunded. The holder gets a mail."),
    agree: _("Cancel and refund"),
  });
  if (!isSure) return;
  const { data } = await call("PUT", `/bookings/${booking._id}/cancel`);
  await redraw(data.booking, _("The order is cancelled."));
}
