// The choice of a date, with what is left of each.

import { h } from "../dom.js";
import { _, formatDay, ngettext } from "../texts.js";

const FEW = 10;

// Returns the name of a date: its day, its time and its place.
export function describeDate(entry) {
  const time = entry.startTime ? `, ${entry.startTime}` : "";
  return `${formatDay(entry.date)}${time} · ${entry.location}`;
}

// Returns the fields by which a date is chosen; the date alone if there is only one.
export function showDates(shop, selection, onChoose) {
  if (shop.dates.length === 1) return h("p", { class: "booking-date" }, describeDate(shop.dates[0]));
  return h("fieldset", { class: "booking-dates" },
    h("legend", {}, _("Date")),
    shop.dates.map((entry) => showDate(shop, selection, entry, onChoose)));
}

function showDate(shop, selection, entry, onChoose) {
  const input = h("input", {
    type: "radio", name: "date", value: entry.scheduleId, checked: entry.scheduleId === selection.scheduleId,
    onchange: () => onChoose(entry.scheduleId),
  });
  return h("label", { class: "choice" }, input,
    h("span", {}, describeDate(entry), " ", showLeft(shop, entry.scheduleId)));
}

function showLeft(shop, scheduleId) {
  const rows = shop.types.map((type) => shop.rowOf(scheduleId, type));
  const most = Math.max(0, ...rows.map((row) => row.availableTickets));
  if (!most) {
    const isSoldOut = rows.some((row) => row.saleState === "sold_out");
    return isSoldOut
      ? h("span", { class: "badge bad" }, _("Sold out"))
      : h("span", { class: "badge" }, _("Not on sale"));
  }
  if (rows.length === 1) return h("span", { class: "badge good" }, ngettext("%(num)s left", "%(num)s left", most));
  return most <= FEW ? h("span", { class: "badge warn" }, _("Few left")) : h("span", { class: "badge good" }, _("Available"));
}
