// The words for what the API names by a code.

import { h } from "../dom.js";
import { _, formatDay, formatMoment } from "../texts.js";

const BOOKING_STATES = {
  held: [_("Reserved, not paid"), "warn"],
  confirmed: [_("Confirmed"), "good"],
  cancelled: [_("Cancelled"), "bad"],
  expired: [_("Expired"), ""],
};
const PAYMENT_STATES = {
  required: _("Not paid yet"),
  processing: _("Being processed"),
  unknown: _("Being checked"),
  succeeded: _("Paid"),
  failed: _("Refused"),
  refunding: _("Being refunded"),
  refunded: _("Refunded"),
};
const REFUND_REASONS = {
  cancelled: _("The order was cancelled"),
  part_cancelled: _("Some tickets were cancelled"),
  event_cancelled: _("The event was cancelled"),
  declined: _("An offer was declined"),
  expired: _("The reservation had expired"),
  hold_expired: _("The money came after the reservation had expired"),
  paid_twice: _("It was paid twice"),
};
export const ROLES = {
  manager: _("Manager: edits events and refunds"),
  viewer: _("Viewer: reads"),
  door: _("Door: checks tickets in"),
};

export const makeBadge = (text, kind = "") => h("span", { class: `badge ${kind}`.trim() }, text);

export function makeBookingBadge(status) {
  const [text, kind] = BOOKING_STATES[status] || [status, ""];
  return makeBadge(text, kind);
}

export const describeRefundReason = (reason) => REFUND_REASONS[reason] || reason;
export const describePayment = (status) => PAYMENT_STATES[status] || status;

// Returns when an entry of the schedule, a booking or a ticket begins.
export function describeDate(dated) {
  if (dated.startsAt) return formatMoment(dated.startsAt, dated.timezone || undefined);
  return dated.date ? formatDay(dated.date.slice(0, 10)) : _("No date");
}

// Returns a moment or a word for none.
export const describeMoment = (moment, none = "–") => (moment ? formatMoment(moment) : none);
