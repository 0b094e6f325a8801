// The step after tickets were taken: they are held until they are paid or the time is over.

import { call, serverTime } from "../api.js";
import { h } from "../dom.js";
import { onClick } from "../forms.js";
import { mountPayment } from "../pay.js";
import { _, formatAmount } from "../texts.js";
import { describeDate } from "./dates.js";

export const WAITS_FOR_REST = _("You are on the waitlist for the rest. We write to you as soon as there are tickets for you.");

// In all functions, `form` is the booking form (page.js).

export function isOpen(booking) {
  return booking.status === "held" && new Date(booking.expiresAt) > serverTime();
}

// Goes on with a hold that was begun before the page was loaded. Returns whether there is one.
export async function resumeHold(form) {
  try {
    const { booking } = (await call("GET", `/bookings/${form.selection.bookingId}`)).data;
    if (booking.status === "confirmed") form.finish(booking);
    else if (isOpen(booking)) showPayment(form, booking);
    else return endHold(form);
    return true;
  } catch (error) {
    if (error.status !== 404) throw error;
    return endHold(form); // Another person has signed in.
  }
}

// Forgets the hold, so that the next booking is a new one.
export function endHold(form) {
  form.selection.bookingId = null;
  form.selection.dropKey();
  return false;
}

// `waitsForRest` says that the person waits for further tickets.
export function showPayment(form, booking, waitsForRest = false) {
  form.selection.bookingId = booking._id;
  form.selection.keep();
  const title = h("h3", { tabindex: "-1" }, booking.totalPrice ? _("Pay to get your tickets") : _("Confirm your tickets"));
  const place = h("div", { dataset: listProviderData(form.container.dataset) });
  const message = h("div", { role: "status" });
  const change = h("button", { type: "button", class: "plain wide" }, _("Give these tickets back and choose again"));
  const note = waitsForRest && h("p", {}, WAITS_FOR_REST);
  form.showPanel(title, describeBooking(form, booking), note, place, message, change);
  title.focus();
  const payment = mountPayment(place, booking, {
    onPaid: (paid) => form.finish(paid, waitsForRest),
    onEnded: () => showEnded(form),
  });
  onClick(change, message, async () => {
    await call("PUT", `/bookings/${booking._id}/cancel`);
    payment.close();
    endHold(form);
    form.hidePanel();
    await form.refresh();
    form.view.submit.focus();
  });
}

function listProviderData({ provider, providerKey, providerMissing }) {
  const given = Object.entries({ provider, providerKey, providerMissing });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function describeBooking(form, booking) {
  const entry = form.shop.event.schedule.find((each) => each.scheduleId === booking.scheduleId);
  return h("ul", {},
    entry && h("li", {}, describeDate(entry)),
    booking.items.map((item) => h("li", {}, `${item.quantity} × ${item.type}: ${formatAmount(item.total, booking.currency)}`)));
}

// The hold is over. The form has everything that was chosen.
export async function showEnded(form) {
  endHold(form);
  form.hidePanel();
  form.say(_("The time to pay is over, and the tickets are back on sale. What you have chosen is still here."), "warn");
  form.view.message.focus();
  await form.refresh();
}
