// The booking form on the page of an event: choose, say who comes, sign in, hold, pay.
//
// The form is `#booking`, empty in the page; the list `#ticket-list` is for readers without a script. What is
// chosen is kept in the tab (selection.js), so nothing is lost on the way.

import { ApiError, call, loadUser } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { clearErrors, onSubmit, showError } from "../forms.js";
import { _, makeLink } from "../texts.js";
import { showDates } from "./dates.js";
import { isOpen, resumeHold, showEnded, showPayment, WAITS_FOR_REST } from "./hold.js";
import { collectAttendees, showPeople } from "./people.js";
import { Prices } from "./prices.js";
import { explain, showRefusal } from "./refusals.js";
import { Selection } from "./selection.js";
import { Shop } from "./shop.js";
import { showSignIn } from "./sign_in.js";
import { showTypes } from "./tickets.js";
import { Waiting } from "./waiting.js";

const BOOKING_TIMEOUT_MS = 30000;
// After these the outcome of a request is not known, or it may succeed later: it keeps its key.
const UNDECIDED = [0, 401, 429, 500, 502, 503, 504];

class BookingForm {
  constructor(container) {
    this.container = container;
    this.shop = new Shop(container.dataset);
    this.selection = new Selection(this.shop.eventId);
    this.waiting = new Waiting(this);
    this.view = this.build();
    this.prices = new Prices(this.shop, this.selection, this.view, () => this.showTickets());
  }

  build() {
    const code = h("input", {
      id: "promo-code", name: "promoCode", maxlength: 40, autocomplete: "off", autocapitalize: "none",
      spellcheck: "false", value: this.selection.code,
    });
    const view = {
      offers: h("div"), dates: h("div"), types: h("div"), people: h("div"), sums: h("div", { "aria-live": "polite" }),
      codeMessage: h("div", { role: "status" }), message: h("div", { role: "status", tabindex: "-1" }), code,
      apply: h("button", { type: "button" }, _("Apply")), submit: h("button", { class: "primary wide" }, _("Book")),
      panel: h("div", { hidden: true }),
    };
    view.form = h("form", { class: "booking" },
      view.offers, view.dates, view.types,
      h("div", { class: "field" },
        h("label", { for: "promo-code" }, _("Promo code"), h("span", { class: "quiet small" }, " ", _("(optional)"))),
        h("div", { class: "booking-code" }, code, view.apply), view.codeMessage),
      view.people, view.sums, view.message, view.submit);
    return view;
  }

  async start() {
    await this.shop.load();
    this.chooseDate();
    fill(this.container, this.view.form, this.view.panel);
    byId("ticket-list").hidden = true;
    this.container.hidden = false;
    this.view.form.addEventListener("submit", openFolded);
    this.view.form.addEventListener("input", forgetError);
    onSubmit(this.view.form, this.view.message, (submitter) => this.trySubmit(submitter?.dataset.shortfall));
    this.view.apply.addEventListener("click", () => this.applyCode());
    this.view.code.addEventListener("change", () => this.applyCode());
    this.view.code.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.applyCode();
    });
    for (const name of ["focusin", "pointerdown"]) {
      this.view.form.addEventListener(name, () => this.shop.watch(() => this.followSales()), { once: true });
    }
    this.show();
    if (this.selection.isKnown || this.selection.isSigningIn || this.selection.bookingId) await this.resume();
  }

  chooseDate() {
    const { selection, shop } = this;
    const ids = shop.dates.map((each) => each.scheduleId);
    if (ids.includes(selection.scheduleId)) return;
    const hasTickets = (id) => shop.types.some((type) => shop.rowOf(id, type).availableTickets > 0);
    selection.scheduleId = ids.find(hasTickets) ?? ids[0] ?? null;
    selection.keep();
  }

  // Goes on where the person was before signing in or reloading the page.
  async resume() {
    const wasSigningIn = this.selection.isSigningIn;
    this.selection.isSigningIn = false;
    const user = await this.findUser();
    if (!user) return;
    if (this.selection.bookingId && (await resumeHold(this))) return;
    await this.waiting.load();
    this.show();
    if (wasSigningIn) {
      this.say(_("You are signed in as %(name)s. What you have chosen is still here.", { name: user.name }), "good");
      this.view.submit.focus();
    }
  }

  async findUser() {
    const user = await loadUser();
    this.selection.isKnown = Boolean(user);
    this.selection.keep();
    return user;
  }

  // Shows the form with what is chosen.
  show() {
    fill(this.view.offers, this.waiting.showOffers());
    fill(this.view.dates, showDates(this.shop, this.selection, (id) => this.setDate(id)));
    this.showTickets();
    this.view.code.value = this.selection.code;
    this.prices.update();
  }

  showTickets() {
    const focused = document.activeElement?.id;
    fill(this.view.types, showTypes(this.shop, this.selection, {
      onQuantity: (typeId, quantity) => this.setQuantity(typeId, quantity),
      showWaiting: (type) => (type.visibility === "secret" ? null : this.waiting.showType(type)),
    }));
    this.showPeople();
    const isOpen = this.shop.types.some((type) => this.shop.mostOf(this.selection.scheduleId, type) > 0);
    this.view.submit.hidden = !isOpen && !this.selection.listItems().length;
    if (focused && focused.startsWith("quantity-")) byId(focused)?.focus();
  }

  showPeople() {
    fill(this.view.people, showPeople(this.shop, this.selection));
  }

  setDate(scheduleId) {
    this.selection.scheduleId = scheduleId;
    this.selection.keep();
    this.showTickets();
    this.prices.update();
  }

  setQuantity(typeId, quantity) {
    this.selection.setQuantity(typeId, quantity);
    this.showPeople();
    this.prices.update();
  }

  applyCode() {
    const code = this.view.code.value.trim();
    // The input has changed, and then the button was pressed.
    if (code === this.selection.code && !this.prices.hasFailed) return;
    this.selection.code = code;
    this.selection.keep();
    this.prices.update();
  }

  say(text, kind = "") {
    showMessage(this.view.message, text, kind);
  }

  // Reads what is left, and shows it.
  async refresh() {
    await this.shop.refresh();
    this.chooseDate();
    this.show();
  }

  async reload() {
    await this.shop.load();
    this.chooseDate();
    this.show();
  }

  // Others have bought tickets, or tickets came back. What is being typed is left alone.
  async followSales() {
    if (this.view.form.hidden || this.view.form.dataset.busy) return;
    try {
      await this.shop.refresh();
    } catch (error) {
      if (error instanceof ApiError) return; // The next sale is followed again.
      throw error;
    }
    fill(this.view.dates, showDates(this.shop, this.selection, (id) => this.setDate(id)));
    if (!this.view.people.contains(document.activeElement)) this.showTickets();
  }

  takeRest(ticketTypes) {
    for (const { ticketTypeId, availableTickets } of ticketTypes) {
      const wanted = this.selection.quantityOf(ticketTypeId);
      this.selection.setQuantity(ticketTypeId, Math.min(wanted, availableTickets));
    }
    this.say("");
    this.show();
    this.view.submit.focus();
  }

  // Books with this `onShortfall`. More tickets than are left may then be asked for.
  submit(shortfall) {
    for (const input of this.view.types.querySelectorAll("input")) {
      input.removeAttribute("max");
      input.setCustomValidity("");
    }
    const button = h("button", { hidden: true, dataset: { shortfall } });
    this.view.form.append(button);
    this.view.form.requestSubmit(button);
    button.remove();
  }

  // Books. A refusal is explained; what concerns fields is shown beside them by forms.js.
  async trySubmit(shortfall) {
    if (!this.selection.listItems().length) {
      this.say(_("Choose at least one ticket."), "warn");
      return;
    }
    if (!(await this.requireUser())) return;
    try {
      await this.book(shortfall);
    } catch (error) {
      if (!UNDECIDED.includes(error.status)) this.selection.dropKey();
      if (error.code === "signed_out" || error.status === 401) this.askToSignIn();
      if (error.status === undefined || Object.keys(error.errors).length) throw error;
      if (error.code?.startsWith("promo_")) showError(this.view.code, error.message);
      showRefusal(this, await explain(this, error));
    }
  }

  async book(shortfall) {
    const body = this.makeBody(shortfall);
    const headers = { "Idempotency-Key": this.selection.keyOf(body) };
    const { data } = await call("POST", "/bookings", { body, headers, timeout: BOOKING_TIMEOUT_MS });
    if (!data.booking) {
      this.selection.clear();
      await this.waiting.show(_("You are on the waitlist. We write to you as soon as there are tickets for you."));
    } else if (data.booking.status === "confirmed") {
      this.finish(data.booking, Boolean(data.waitlistEntry));
    } else if (isOpen(data.booking)) {
      showPayment(this, data.booking, Boolean(data.waitlistEntry));
    } else {
      await showEnded(this); // The answer to an earlier request, whose hold is over.
    }
  }

  makeBody(shortfall) {
    const { selection, shop } = this;
    const attendees = collectAttendees(shop, selection, this.view.form);
    const body = {
      eventId: shop.eventId, scheduleId: selection.scheduleId, items: selection.listItems(), hold: this.prices.total > 0,
    };
    if (selection.code) body.promoCode = selection.code;
    if (attendees.length) body.attendees = attendees;
    if (shortfall) body.onShortfall = shortfall;
    return body;
  }

  // Returns who is signed in; else shows how to sign in.
  async requireUser() {
    const user = await this.findUser();
    if (!user) this.askToSignIn();
    return user;
  }

  askToSignIn() {
    this.selection.isSigningIn = true;
    this.selection.isKnown = false;
    this.selection.keep();
    showSignIn(this);
  }

  showPanel(...children) {
    fill(this.view.panel, children);
    this.view.panel.hidden = false;
    this.view.form.hidden = true;
  }

  hidePanel() {
    this.view.panel.hidden = true;
    this.view.form.hidden = false;
    fill(this.view.panel);
  }

  // Shows that the booking is confirmed, and goes on to its page; not if there is more to be read.
  finish(booking, waitsForRest = false) {
    this.selection.clear();
    const address = makeLink(`/b/${booking.bookingReference}`);
    const title = h("h3", { tabindex: "-1" }, _("You have your tickets"));
    this.showPanel(title,
      h("p", {}, _("We have sent them to you by mail, too. Your booking is %(reference)s.", { reference: booking.bookingReference })),
      waitsForRest && h("p", {}, WAITS_FOR_REST),
      h("a", { class: "button primary", href: address }, _("Show the tickets")));
    title.focus();
    if (!waitsForRest) location.assign(address);
  }
}

// A refused field must be in sight.
function openFolded(event) {
  for (const each of event.target.querySelectorAll("details")) {
    if (each.querySelector(":invalid")) each.open = true;
  }
}

// A field that was refused and is right now needs no message.
function forgetError({ target }) {
  if (target.matches("[aria-invalid]") && target.checkValidity()) clearErrors(target.closest(".field"));
}

const container = byId("booking");
if (container) {
  const form = new BookingForm(container);
  try {
    await form.start();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    container.hidden = false;
    const message = h("p", { class: "message bad" }, error.message);
    const again = h("button", { type: "button", onclick: () => location.reload() }, _("Try again"));
    container.prepend(message, again);
  }
}
