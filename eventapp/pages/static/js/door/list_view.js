// Shows the counts and the list of tickets with its search, and a dialog for one ticket.

import { call, loadUser } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatDay, formatNumber, makeLink, ngettext } from "../texts.js";
import { describeTime } from "./answers.js";
import { redraw } from "./redraw.js";

const MOST_SHOWN = 100;

export class ListView {
  // `onCheckIn` gets the row of a ticket that is to be checked in, `onUndone` that of one whose check-in was undone.
  constructor({ tickets, checkIn, onCheckIn, onUndone }) {
    Object.assign(this, { tickets, checkIn, onCheckIn, onUndone });
    byId("search").addEventListener("input", () => this.render());
    byId("day").addEventListener("change", () => {
      checkIn.day = byId("day").value || null;
      this.render();
    });
  }

  render() {
    this.#renderDays();
    this.#renderCounts();
    const found = this.tickets.search(byId("search").value, this.checkIn.day);
    const shown = found.slice(0, MOST_SHOWN);
    const key = JSON.stringify(shown.map((row) => [row.ticketId, row.name, row.checkedInAt]));
    redraw(byId("people"), key, () => shown.map((row) => this.#renderRow(row)));
    byId("found").textContent = describeFound(found.length, byId("search").value, this.tickets);
  }

  #renderRow(row) {
    const state = row.checkedInAt
      ? h("span", { class: "badge good" }, _("In since %(time)s", { time: describeTime(row.checkedInAt) }))
      : h("span", { class: "badge" }, _("Expected"));
    return h("li", {},
      h("button", { type: "button", class: "person", onclick: () => this.#open(row.ticketId) },
        h("span", { class: "person-name" }, row.name || _("No name")),
        h("span", { class: "quiet small" }, row.type), state));
  }

  #renderDays() {
    const { days } = this.tickets;
    const select = byId("day");
    byId("day-field").hidden = days.length < 2;
    if (select.dataset.drawn === days.join()) return;
    const all = h("option", { value: "" }, _("All days"));
    redraw(select, days.join(), () => [all, days.map((day) => h("option", { value: day }, formatDay(day)))]);
    const today = new Date().toLocaleDateString("sv"); // YYYY-MM-DD in the zone of this phone
    if (this.checkIn.day === null && days.length > 1 && days.includes(today)) this.checkIn.day = today;
    select.value = days.includes(this.checkIn.day) ? this.checkIn.day : "";
    this.checkIn.day = select.value || null;
  }

  #renderCounts() {
    const counts = this.tickets.count(this.checkIn.day);
    const total = counts.reduce((sum, each) => sum + each.total, 0);
    const inside = counts.reduce((sum, each) => sum + each.in, 0);
    byId("count").textContent = _("%(inside)s of %(total)s in", { inside: formatNumber(inside), total: formatNumber(total) });
    fill(byId("types"), counts.map((each) => h("tr", {},
      h("th", { scope: "row" }, each.type),
      h("td", { class: "figure" }, formatNumber(each.in)),
      h("td", { class: "figure" }, formatNumber(each.total)))));
  }

  #open(ticketId) {
    const row = this.tickets.rows.get(ticketId);
    const dialog = byId("ticket");
    const message = h("p", { role: "status" });
    const act = row.checkedInAt
      ? h("button", { type: "button", class: "danger wide" }, _("Undo the check-in"))
      : h("button", { type: "button", class: "primary wide" }, _("Check in"));
    const close = h("button", { type: "button", class: "wide", onclick: () => dialog.close() }, _("Close"));
    fill(dialog,
      h("h2", { id: "ticket-title" }, row.name || _("No name")),
      h("p", {}, row.type, h("br"), formatDay(row.date)),
      h("p", {}, row.checkedInAt ? _("In since %(time)s", { time: describeTime(row.checkedInAt) }) : _("Expected")),
      message, h("div", { class: "stack" }, act, close));
    onClick(act, message, () => (row.checkedInAt ? this.#undo(row, dialog, message) : this.#admit(row, dialog)));
    dialog.showModal();
  }

  async #admit(row, dialog) {
    dialog.close();
    await this.onCheckIn(row);
  }

  async #undo(row, dialog, message) {
    if (!(await loadUser())) {
      const next = makeLink("/account/sign-in", { next: location.pathname + location.search });
      fill(message, _("Only a manager of the event may undo a check-in."), " ", h("a", { href: next }, _("Sign in")));
      return;
    }
    const path = `/events/${this.tickets.eventId}/check-in/undo`;
    try {
      await call("POST", path, { body: { ticketId: row.ticketId } });
    } catch (error) {
      // Somebody else has undone it.
      if (error.code !== "not_checked_in") throw error;
    }
    await this.onUndone(row);
    dialog.close();
    showMessage(byId("notice"), _("The check-in of %(name)s was undone.", { name: row.name || _("No name") }), "good");
  }
}

function describeFound(count, text, tickets) {
  if (!tickets.fetchedAt) return _("The list was not downloaded yet.");
  if (!tickets.rows.size) return _("Nobody has a ticket yet.");
  if (!count) return text ? _("Nobody is found.") : _("Nobody has a ticket for this day.");
  if (count > MOST_SHOWN) {
    return _("The first %(shown)s of %(total)s. Type a name to find the others.",
      { shown: MOST_SHOWN, total: formatNumber(count) });
  }
  return ngettext("%(num)s ticket", "%(num)s tickets", count);
}
