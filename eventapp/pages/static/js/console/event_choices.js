// Lets an organizer choose between all events and some of them.

import { call } from "../api.js";
import { h } from "../dom.js";
import { _, ngettext } from "../texts.js";

// The most that the API takes in a list of events is at least this.
const MOST_EVENTS = 50;

// Returns the newest events of the person as [{eventId, title}].
export async function loadEventChoices() {
  const query = { mine: true, upcoming: false, sortBy: "eventId", sortOrder: "desc", limit: MOST_EVENTS };
  const { events } = await call("GET", "/events", { query });
  return events;
}

// Returns fields that choose events. `chosen` are eventIds, null for all events.
export function makeEventChoices(events, chosen) {
  if (!events.length) return [];
  const rows = events.map(({ eventId, title }) => h("label", { class: "choice" },
    h("input", { type: "checkbox", name: "eventIds", value: eventId, checked: Boolean(chosen?.includes(eventId)) }),
    h("span", {}, title)));
  return h("fieldset", { class: "choices" }, h("legend", {}, _("Only these events")),
    h("p", { class: "quiet small" }, _("Choose none for all events, those to come included.")), rows);
}

// Returns the chosen eventIds, null if none is chosen.
export function readEventIds(form) {
  const ids = new FormData(form).getAll("eventIds").map(Number);
  return ids.length ? ids : null;
}

export function describeEvents(eventIds, events) {
  if (eventIds === null) return _("All events");
  const titles = eventIds.map((id) => events.find((each) => each.eventId === id)?.title).filter(Boolean);
  if (titles.length === eventIds.length && titles.length <= 3) return titles.join(", ");
  return ngettext("%(num)s event", "%(num)s events", eventIds.length);
}
