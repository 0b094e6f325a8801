// The waitlist of tickets that are sold out: join it, see one's position, leave it.

import { call } from "../api.js";
import { h } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatMoment, makeLink, ngettext } from "../texts.js";

export class Waiting {
  // `form` is the booking form (page.js).
  constructor(form) {
    this.form = form;
    this.places = [];
    this.offers = [];
  }

  // Reads the positions of the person who is signed in, and the open offers.
  async load() {
    const isOfEvent = (each) => each.eventId === this.form.shop.eventId;
    const [{ waitlist }, { notifications }] = await Promise.all([
      call("GET", "/waitlist", { query: { limit: 100 } }),
      call("GET", "/waitlist/notifications", { query: { limit: 20 } }),
    ]);
    this.places = waitlist.filter(isOfEvent);
    this.offers = notifications.filter((each) => isOfEvent(each) && each.status === "open");
  }

  // Returns the messages about open offers.
  showOffers() {
    return this.offers.map((offer) => h("p", { class: "message good" },
      ngettext("You are offered %(num)s ticket until %(time)s.", "You are offered %(num)s tickets until %(time)s.",
        offer.quantity, { time: formatMoment(offer.expiresAt) }), " ",
      h("a", { href: makeLink(`/b/${offer.bookingReference}`) }, _("See the offer"))));
  }

  // Returns what a sold-out type shows: one's position, or how to join.
  showType(type) {
    const { scheduleId } = this.form.selection;
    const place = this.places.find((each) => each.ticketTypeId === type.ticketTypeId && each.scheduleId === scheduleId);
    return place ? this.showPlace(place) : this.showJoin(type);
  }

  showPlace(place) {
    const leave = h("button", { type: "button", class: "plain" }, _("Leave the waitlist"));
    onClick(leave, this.form.view.message, async () => {
      await call("DELETE", `/waitlist/${place.eventId}`, { query: { scheduleId: place.scheduleId } });
      await this.show(_("You have left the waitlist."));
    });
    return h("div", { class: "waiting" },
      h("p", {}, ngettext(
        "You wait for %(num)s ticket, at position %(position)s.",
        "You wait for %(num)s tickets, at position %(position)s.", place.quantity, { position: place.position })),
      leave);
  }

  showJoin(type) {
    const least = type.minPerBooking || 1;
    const most = Math.min(type.maxPerBooking || Infinity, this.form.shop.maxTickets);
    const numbers = Array.from({ length: Math.max(1, most - least + 1) }, (_each, index) => index + least);
    const id = `wait-${type.ticketTypeId}`;
    const count = h("select", { id }, numbers.map((each) => h("option", { value: each }, String(each))));
    const join = h("button", { type: "button", "aria-describedby": `type-${type.ticketTypeId}` }, _("Join the waitlist"));
    onClick(join, this.form.view.message, () => this.join(type, Number(count.value)));
    return h("div", { class: "waiting row" },
      h("label", { for: id }, _("Tickets to wait for")), count, join);
  }

  async join(type, quantity) {
    const { shop, selection } = this.form;
    if (!(await this.form.requireUser())) return;
    const body = { eventId: shop.eventId, ticketTypeId: type.ticketTypeId, scheduleId: selection.scheduleId, quantity };
    try {
      await call("POST", "/waitlist", { body });
    } catch (error) {
      // A repeated request whose answer was lost finds its own position.
      if (!["already_waitlisted", "tickets_available"].includes(error.code)) throw error;
      await this.form.refresh();
      if (error.code === "tickets_available") throw error;
    }
    await this.show(_("You are on the waitlist. We write to you as soon as there are tickets for you."));
  }

  async show(text) {
    await this.load();
    this.form.show();
    this.form.say(text, "good");
  }
}
