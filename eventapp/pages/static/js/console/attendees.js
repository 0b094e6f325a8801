// The attendees of an event: search, filters and the list.

import { call } from "../api.js";
import { byId, h } from "../dom.js";
import { _, makeLink } from "../texts.js";
import { bindDownloads } from "./downloads.js";
import { eventPath } from "./event_path.js";
import { event, startPage } from "./frame.js";
import { describeDate, describeMoment } from "./labels.js";
import { describeAnswer } from "./order.js";
import { fromApi, List } from "./table.js";

// With a filter, a page of the API may be empty although there are more. So many are read at once.
const MOST_PAGES = 10;
const filters = byId("filters");
const loadPage = fromApi(`${eventPath}/attendees`, "attendees");

async function load(query, cursor, signal) {
  let page = await loadPage(query, cursor, signal);
  for (let read = 1; !page.rows.length && page.nextCursor && read < MOST_PAGES; read += 1) {
    page = await loadPage(query, page.nextCursor, signal);
  }
  return page;
}

function makeCells({ type, holder, attendee, bookingReference, checkedInAt, ...ticket }) {
  const email = attendee ? attendee.email : holder?.email;
  const who = h("div", {}, attendee?.name || holder?.name || _("no name yet"),
    email && h("div", { class: "quiet small" }, email),
    (attendee?.answers || []).map((answer) => h("div", { class: "small" }, describeAnswer(answer))));
  const link = `${makeLink(`/console/events/${event.id}/orders`)}#${bookingReference}`;
  const booked = h("div", {}, h("a", { class: "row-link reference", href: link }, bookingReference),
    holder && h("div", { class: "quiet small" }, holder.name));
  return [who, type, describeDate(ticket), booked, describeMoment(checkedInAt, _("Not yet"))];
}

async function fillChoices() {
  const { ticketTypes, schedule } = await call("GET", eventPath);
  const { ticketTypeId, scheduleId } = filters.elements;
  ticketTypeId.append(...ticketTypes.map((each) => h("option", { value: each.ticketTypeId }, each.type)));
  scheduleId.append(...schedule.map((each) => h("option", { value: each.scheduleId }, `${describeDate(each)}, ${each.location}`)));
}

bindDownloads(byId("message"), eventPath);
await startPage(byId("failure"), async () => {
  await fillChoices();
  // The list takes its filters from the address, which may name a type or a date.
  await new List(byId("attendees"), { load, cells: makeCells, filters }).reload();
});
