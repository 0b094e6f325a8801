// The announcements of an event: the form to write one, and the list.

import { call } from "../api.js";
import { byId, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _, formatNumber, ngettext } from "../texts.js";
import { eventPath } from "./event_path.js";
import { ask, event, startPage } from "./frame.js";
import { makeKeys } from "./keys.js";
import { describeDate, describeMoment, makeBadge } from "./labels.js";
import { fromApi, List } from "./table.js";

const STATES = {
  scheduled: [_("Scheduled"), "warn"],
  sending: [_("Being sent"), "warn"],
  sent: [_("Sent"), "good"],
  withdrawn: [_("Withdrawn"), "bad"],
};
const keys = makeKeys();
const message = byId("message");
const form = byId("write");
const list = new List(byId("announcements"), {
  load: fromApi(`${eventPath}/announcements`, "announcements"),
  cells: makeCells,
});
let parts;

function makeChoice(name, value, text) {
  return h("label", { class: "choice" }, h("input", { type: "checkbox", name, value }), h("span", {}, text));
}

function fillAudience() {
  byId("types").append(...parts.ticketTypes.map((each) => makeChoice("ticketTypeIds", each.ticketTypeId, each.type)));
  byId("dates").append(...parts.schedule.map((each) =>
    makeChoice("scheduleIds", each.scheduleId, `${describeDate(each)}, ${each.location}`)));
}

function readAudience(data) {
  const to = {};
  for (const name of ["ticketTypeIds", "scheduleIds"]) {
    const ids = data.getAll(name).map(Number);
    if (ids.length) to[name] = ids;
  }
  if (data.get("checkedIn")) to.checkedIn = data.get("checkedIn") === "true";
  return to;
}

function readForm() {
  const data = new FormData(form);
  const body = { subject: data.get("subject"), text: data.get("text"), to: readAudience(data) };
  if (data.get("sendAt")) body.sendAt = new Date(data.get("sendAt")).toISOString();
  return body;
}

async function send() {
  const body = readForm();
  const isSure = await ask({
    title: body.sendAt ? _("Send it at %(moment)s?", { moment: describeMoment(body.sendAt) }) : _("Send it now?"),
    text: _("“%(subject)s” goes by mail to everyone of this audience, once each.", { subject: body.subject }),
    agree: _("Send"),
    keep: _("Go on writing"),
  });
  if (!isSure) return;
  const headers = { "Idempotency-Key": keys.get(body) };
  const { recipients } = await call("POST", `${eventPath}/announcements`, { body, headers });
  keys.renew();
  form.reset();
  await list.reload();
  showMessage(message, ngettext("It goes to %(num)s person.", "It goes to %(num)s people.", recipients), "good");
}

function describeAudience({ ticketTypeIds, scheduleIds, checkedIn }) {
  const names = [
    ...(ticketTypeIds || []).map((id) => parts.ticketTypes.find((each) => each.ticketTypeId === id)?.type),
    ...(scheduleIds || []).map((id) => parts.schedule.find((each) => each.scheduleId === id)).map((each) => each && describeDate(each)),
    checkedIn === undefined ? null : checkedIn ? _("checked in") : _("not checked in"),
  ].filter(Boolean);
  return names.length ? names.join(" · ") : _("All who have tickets");
}

function describeCounts({ recipients, notified, mailed }) {
  const counts = [[_("People"), recipients], [_("Notified"), notified], [_("Mails"), mailed]];
  return counts.filter(([, count]) => count !== null).map(([word, count]) => h("div", {}, `${word}: ${formatNumber(count)}`));
}

function makeCells(announcement) {
  const [text, kind] = STATES[announcement.status] || [announcement.status, ""];
  const content = h("div", {}, announcement.subject,
    h("details", {}, h("summary", {}, _("Text")), h("p", { class: "written" }, announcement.text)));
  const isDeletable = event.mayEdit && announcement.status === "scheduled";
  const state = h("div", { class: "row" }, makeBadge(text, kind), isDeletable && makeDelete(announcement));
  const moment = describeMoment(announcement.sentAt || announcement.sendAt);
  return [content, describeAudience(announcement.to), moment, h("div", {}, describeCounts(announcement)), state];
}

function makeDelete({ announcementId, subject }) {
  const button = h("button", { type: "button", class: "danger", "aria-label": _("Delete “%(subject)s”", { subject }) }, _("Delete"));
  onClick(button, message, async () => {
    await call("DELETE", `${eventPath}/announcements/${announcementId}`);
    await list.reload();
    showMessage(message, _("It is deleted and will not be sent."), "good");
  });
  return button;
}

if (form) onSubmit(form, message, send);

await startPage(byId("failure"), async () => {
  parts = await call("GET", eventPath);
  if (form) fillAudience();
  await list.reload();
});
