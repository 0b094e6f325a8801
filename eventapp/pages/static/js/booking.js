// The page of one booking: says who comes, pays for or accepts what is held, and cancels tickets.
//
// Without it, the page can be read. Its calls use a token for this booking alone, which the cookie
// of the page buys.

import { call, useTokensOf } from "./api.js";
import { byId, showMessage } from "./dom.js";
import { confirmIn, onClick, onSubmit } from "./forms.js";
import { mountPayment } from "./pay.js";
import { _, ngettext } from "./texts.js";

const { booking, reference, event } = byId("booking").dataset;
const KEPT_MESSAGE = `booking-message-${reference}`;
const message = byId("message");
// By the tickets of a cancellation, its Idempotency-Key: a repeated request cancels no others.
const keys = new Map();

useTokensOf(`/b/${reference}/token`);
showKeptMessage();
for (const each of document.querySelectorAll("[data-scripted]")) each.hidden = false;
byId("print")?.addEventListener("click", () => print());
for (const form of document.querySelectorAll("form[data-ticket]")) prepareAttendee(form);
if (byId("cancel")) prepareCancellation(byId("cancel"));
if (byId("payment")) preparePayment();

// The page is rendered anew after a change of the booking, and then says what was done.
function reloadWith(text) {
  try {
    sessionStorage.setItem(KEPT_MESSAGE, text);
  } catch {
    // A browser may keep nothing. The page shows the new state nevertheless.
  }
  location.reload();
}

function showKeptMessage() {
  let text = null;
  try {
    text = sessionStorage.getItem(KEPT_MESSAGE);
    sessionStorage.removeItem(KEPT_MESSAGE);
  } catch {
    return;
  }
  if (!text) return;
  showMessage(message, text, "good");
  message.focus();
}

function prepareAttendee(form) {
  const result = form.querySelector("[role=status]");
  onSubmit(form, result, async () => {
    const attendee = await call("PUT", `/tickets/${form.dataset.ticket}/attendee`, { body: readAttendee(form) });
    document.querySelector(`[data-name-of="${form.dataset.ticket}"]`).textContent = attendee.name;
    showMessage(result, _("Saved."), "good");
  });
}

function readAttendee(form) {
  const answers = {};
  for (const input of form.querySelectorAll("[data-kind]")) {
    const id = input.name.slice("answers.".length);
    const value = input.value.trim();
    if (!value) answers[id] = null;
    else answers[id] = input.dataset.kind === "boolean" ? value === "true" : value;
  }
  return { name: form.elements.name.value, email: form.elements.email.value.trim() || null, answers };
}

function prepareCancellation(form) {
  const result = byId("cancel-message");
  onSubmit(form, result, async () => {
    const boxes = [...form.elements.ticketIds.length ? form.elements.ticketIds : [form.elements.ticketIds]];
    const chosen = boxes.filter((each) => each.checked).map((each) => each.value);
    if (!chosen.length) {
      showMessage(result, _("Choose the tickets to cancel."), "warn");
      return;
    }
    const agreed = await confirmIn(byId("dialog"), {
      title: ngettext("Cancel %(num)s ticket?", "Cancel %(num)s tickets?", chosen.length),
      text: _("The codes of cancelled tickets are not valid any more. You cannot undo this."),
      agree: _("Yes, cancel"),
      keep: _("Keep"),
    });
    if (!agreed) return;
    await cancelTickets(chosen);
    reloadWith(ngettext("%(num)s ticket is cancelled.", "%(num)s tickets are cancelled.", chosen.length));
  });
}

async function cancelTickets(ticketIds) {
  const name = ticketIds.join();
  if (!keys.has(name)) keys.set(name, makeKey());
  await call("POST", `/bookings/${booking}/cancellations`, {
    body: { ticketIds },
    headers: { "Idempotency-Key": keys.get(name) },
  });
}

function makeKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

// A hold can be paid at once. Of an offer, the person may first choose to take fewer tickets.
function preparePayment() {
  const form = byId("quantity-form"), result = byId("pay-message");
  if (!form) {
    loadPayment(result);
  } else {
    onSubmit(form, result, async () => {
      const wanted = Number(form.elements.quantity.value);
      const answer = wanted === form.elements.quantity.options.length
        ? await call("GET", `/bookings/${booking}`)
        : await call("POST", `/waitlist/${event}/accept`, { body: { bookingId: booking, quantity: wanted } });
      form.hidden = true;
      showPayment(answer.data.booking);
    });
  }
  onClick(byId("release"), result, release);
}

async function loadPayment(result) {
  try {
    showPayment((await call("GET", `/bookings/${booking}`)).data.booking);
  } catch (error) {
    showMessage(result, error.message, "bad");
  }
}

function showPayment(held) {
  const onPaid = () => reloadWith(_("The tickets are yours."));
  if (held.status === "confirmed") {
    onPaid();
    return;
  }
  mountPayment(byId("payment"), held, { onPaid, onEnded: () => location.reload() });
}

async function release() {
  const agreed = await confirmIn(byId("dialog"), {
    title: _("Give the tickets back?"),
    text: _("Somebody else can have them then."),
    agree: _("Yes, give them back"),
    keep: _("Keep"),
  });
  if (!agreed) return;
  await call("PUT", `/bookings/${booking}/cancel`);
  reloadWith(_("You have given the tickets back."));
}
