// Says why tickets were not booked, and what the person can do about it.

import { call } from "../api.js";
import { fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatMoment, makeLink, ngettext } from "../texts.js";

// Returns `{text, actions}` for a refused booking. An action has a `label`, and an `href` or a function `run`.
// `form` is the booking form (page.js).
export async function explain(form, error) {
  const explainCode = EXPLANATIONS[error.code];
  if (explainCode) return explainCode(form, error);
  return { text: error.message, actions: [] };
}

const EXPLANATIONS = {
  sold_out: explainSoldOut,
  not_on_sale: explainWindow,
  ticket_minimum: (form, { body }) => say(ngettext(
    "A booking needs at least %(num)s ticket of this type.", "A booking needs at least %(num)s tickets of this type.", body.limit)),
  ticket_limit_exceeded: (form, { body }) => say(ngettext(
    "You can have at most %(num)s ticket, together with what you have booked already.",
    "You can have at most %(num)s tickets, together with what you have booked already.", body.limit)),
  already_booked: explainBooked,
  email_not_verified: explainUnverified,
  event_past: explainPast,
  ticket_type_not_found: explainPast,
};

function say(text, actions = []) {
  return { text, actions };
}

async function explainSoldOut(form, { body, message }) {
  await form.refresh();
  const short = (body.ticketTypes || []).filter((each) => each.availableTickets < form.selection.quantityOf(each.ticketTypeId));
  const left = short.map((each) => each.availableTickets
    ? _("%(type)s: %(count)s left", { type: each.type, count: each.availableTickets })
    : _("%(type)s: sold out", { type: each.type }));
  const actions = [];
  if (body.available > 0) {
    actions.push({ label: _("Take what is left"), run: () => form.takeRest(body.ticketTypes) });
    actions.push({ label: _("Take it, and wait for the rest"), run: () => form.submit("waitlist") });
  } else {
    actions.push({ label: _("Join the waitlist"), run: () => form.submit("waitlist") });
  }
  return say([_("In the meantime others have bought tickets."), left.join(", ") || message].join(" "), actions);
}

async function explainWindow(form, { body }) {
  await form.refresh();
  const zone = form.shop.event.schedule[0].timezone;
  const from = body.salesFrom && new Date(body.salesFrom);
  if (from && from > Date.now()) return say(_("These tickets are on sale from %(time)s.", { time: formatMoment(from, zone) }));
  if (body.salesUntil) return say(_("These tickets were on sale until %(time)s.", { time: formatMoment(body.salesUntil, zone) }));
  return say(_("These tickets are not on sale now."));
}

async function explainBooked(form, { message }) {
  const query = { eventId: form.shop.eventId, limit: 20 };
  const { bookings } = await call("GET", "/bookings", { query });
  const active = bookings.find((each) => ["held", "confirmed"].includes(each.status));
  if (!active) return say(message);
  const link = { label: _("Show my booking"), href: makeLink(`/b/${active.bookingReference}`) };
  return say(active.status === "held"
    ? _("You have booked tickets of this event that are not paid yet.")
    : _("You have already booked tickets of this event."), [link]);
}

function explainUnverified(form, { message }) {
  const send = async () => {
    await call("POST", "/auth/verify-email/resend");
    form.say(_("We have sent the mail again. What you have chosen stays here."), "good");
  };
  return say(message, [{ label: _("Send the mail again"), run: send }]);
}

async function explainPast(form, { message }) {
  await form.reload();
  return say(message);
}

// Shows a refusal with its actions, and leads screen readers to it.
export function showRefusal(form, { text, actions }) {
  const { message } = form.view;
  showMessage(message, text, "bad");
  fill(message, h("p", {}, text),
    actions.length > 0 && h("div", { class: "row" }, actions.map((each) => showAction(form, each))));
  message.focus();
}

function showAction(form, { label, href, run }) {
  if (href) return h("a", { class: "button", href }, label);
  const button = h("button", { type: "button" }, label);
  onClick(button, h("div"), async () => {
    try {
      await run();
    } catch (error) {
      if (error.status === undefined) throw error;
      form.say(error.message, "bad");
    }
  });
  return button;
}
