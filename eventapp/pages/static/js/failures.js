// Says in a person's words why a call of the API failed.

import { _, ngettext } from "./texts.js";

export const OFFLINE = _("The server cannot be reached. Check your connection and try again.");
export const SLOW = _("The server takes too long to answer. Try again in a moment.");
export const UNREADABLE = _("The answer of the server cannot be read. Try again in a moment.");

// By the code of a refusal, what it means.
const MEANINGS = {
  signed_out: _("You are signed out. Sign in again; what you have typed stays here."),
  token_revoked: _("Your session has ended. Sign in again; what you have typed stays here."),
  token_expired: _("Your session has ended. Sign in again; what you have typed stays here."),
  forbidden: _("Your account may not do this."),
  email_taken: _("Another account has this email address."),
  event_not_found: _("There is no such event."),
  booking_not_found: _("There is no such booking."),
  link_invalid: _("The link of this booking has ended. Open the newest mail about it, or sign in."),
  hold_expired: _("The time to pay has passed. A payment that still comes is not lost."),
  no_offer: _("This offer is not open any more."),
  sold_out: _("There are not enough tickets left."),
  not_on_sale: _("These tickets are not on sale now."),
  ticket_minimum: _("You need to book more tickets of this type."),
  ticket_limit_exceeded: _("You cannot have so many tickets."),
  already_booked: _("You already have a booking of this event."),
  already_waitlisted: _("You are already on this waitlist."),
  tickets_available: _("There are tickets: you can book them now."),
  promo_not_found: _("There is no such code."),
  promo_exhausted: _("This code has been used as often as it may be."),
  promo_not_applicable: _("This code is not for these tickets."),
  payment_under_way: _("A payment of this booking is under way."),
  payment_failed: _("The payment was refused. Try again, perhaps with another card."),
  payment_unavailable: _("The payment provider does not answer. Your tickets are still held: try again in a moment."),
  hold_expired: _("The time to pay is over, and the tickets are back on sale."),
  not_held: _("This booking was cancelled."),
  event_not_on_sale: _("Tickets of this event are not on sale."),
  event_past: _("This date is over. Choose another one."),
  email_not_verified: _("Verify your email address first: open the link in the mail that we have sent you."),
  ticket_type_not_found: _("These tickets are not sold any more."),
  offer_under_way: _("You are just being offered tickets from the waitlist. Try again in a moment."),
  request_under_way: _("Your booking is still being made. Try again in a moment."),
  not_confirmed: _("This booking is not confirmed."),
  not_enough_tickets: _("The booking has not so many tickets left."),
  ticket_cancelled: _("This ticket is cancelled."),
  ticket_checked_in: _("This ticket has been used at the door."),
  mail_sent_lately: _("This mail was sent a short time ago. Try again in ten minutes."),
  cancellation_closed: _("It is too late to cancel this booking."),
  token_invalid: _("This link is not valid any more. Ask for a new one."),
  key_invalid: _("This link is not valid. Sign in to choose which mails come."),
  wrong_password: _("The password is wrong."),
  already_verified: _("Your email address is verified already."),
  mail_unavailable: _("This server sends no mails, so the address cannot be changed."),
  last_admin: _("You are the last admin: make somebody else an admin first."),
  organizer_has_events: _("You have events that are not over. Cancel or delete them first."),
  session_not_found: _("This session has ended already."),
  already_member: _("You are in this team already."),
  team_full: _("This team is full."),
  too_many_teams: _("You are in too many teams: leave one first."),
  tickets_taken: _("Tickets of this type are sold, held or waited for: it cannot be removed."),
  schedule_in_use: _("There are bookings or people waiting for a date that would be removed."),
  quota_in_use: _("A limit is only for a date or ticket type that would be removed. Remove the limit first."),
  below_sold: _("More places than that are sold or held already."),
  question_answered: _("A question that was answered keeps its kind of answer."),
  question_in_use: _("A question is only for a ticket type that would be removed. Remove the question first."),
  code_in_use: _("This code was used: it can only be switched off."),
  below_used: _("The code was used more often than that."),
  unsupported_image: _("Choose a picture that is JPEG, PNG or WebP."),
  damaged_image: _("The picture is damaged or incomplete."),
  too_many_pixels: _("The picture has too many pixels."),
  event_has_bookings: _("The event has bookings. Cancel it instead."),
  database_unavailable: _("The server is busy or restarting. Try again in a moment."),
};

// Sentences of the API about a field.
const FAULTS = {
  "The current password is wrong": _("The password is wrong."),
  "Missing data for required field.": _("This is needed."),
  "Not a valid email address.": _("Enter an email address, such as ada@example.org."),
  "Must not hold @.": _("It may have no @."),
};

// Returns what a sentence of the API about a field says, in a person's words if they are known.
export function describeFault(sentence) {
  return FAULTS[sentence] || sentence;
}

const FIELDS = _("Some fields need your attention.");
const BROKEN = _("Something went wrong on the server. Try again later.");

// Returns the sentence for a refusal. `retryAfter` is in seconds, null if unknown.
export function describeFailure(status, body, retryAfter) {
  const meaning = MEANINGS[body.code];
  if (meaning) return meaning;
  if (status === 429) return describeWait(retryAfter || 60);
  if ([502, 503, 504].includes(status)) return MEANINGS.database_unavailable;
  if (status >= 500) return BROKEN;
  if (status === 401) return MEANINGS.signed_out;
  if (status === 403) return MEANINGS.forbidden;
  if (body.errors && Object.keys(body.errors).length) return FIELDS;
  return body.message || BROKEN;
}

function describeWait(seconds) {
  if (seconds <= 90) {
    return ngettext("Too many attempts. Try again in %(num)s second.", "Too many attempts. Try again in %(num)s seconds.", seconds);
  }
  const minutes = Math.ceil(seconds / 60);
  return ngettext("Too many attempts. Try again in %(num)s minute.", "Too many attempts. Try again in %(num)s minutes.", minutes);
}
