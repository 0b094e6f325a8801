// The team of an organizer: members, invitations, and the public profile.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _ } from "../texts.js";
import { describeEvents, loadEventChoices, makeEventChoices, readEventIds } from "./event_choices.js";
import { ask, startPage } from "./frame.js";
import { describeMoment, ROLES } from "./labels.js";
import { startMemberships } from "./memberships.js";
import { startProfile } from "./profile.js";
import { makeTable } from "./tables.js";

const [form, message, dialog] = ["invite", "message", "events-dialog"].map(byId);
const path = "/organizers/me/members";
let choices = [];

async function showTeam() {
  const { members, invitations } = await call("GET", path);
  const titles = [_("Member"), _("Role"), _("Events"), _("Since"), _("Actions")];
  fill(byId("members"), members.length
    ? makeTable(_("Members"), titles, members.map(makeMemberCells))
    : h("p", {}, _("There are no members yet.")));
  const invited = [_("Email"), _("Role"), _("Events"), _("Good until"), _("Actions")];
  fill(byId("invitations"), invitations.length
    ? makeTable(_("Open invitations"), invited, invitations.map(makeInvitationCells))
    : h("p", {}, _("No invitation is open.")));
}

function makeMemberCells(member) {
  const { userId, name, email, role } = member;
  const select = h("select", { "aria-label": _("Role of %(name)s", { name }) },
    Object.entries(ROLES).map(([value, text]) => h("option", { value, selected: value === role }, text)));
  select.addEventListener("change", () => changeMember(member, select));
  const remove = h("button", { type: "button", class: "danger", "aria-label": _("Remove %(name)s", { name }) }, _("Remove"));
  onClick(remove, message, () => removeMember(userId, name));
  const events = [describeEvents(member.eventIds, choices), makeEventsButton(member)];
  return [[h("strong", {}, name), h("div", { class: "quiet small" }, email)], select, events, describeMoment(member.joinedAt), remove];
}

function makeEventsButton(member) {
  if (!choices.length) return null;
  const label = _("Change the events of %(name)s", { name: member.name });
  const button = h("button", { type: "button", class: "plain", "aria-label": label }, _("Change"));
  button.addEventListener("click", () => openEvents(member));
  return button;
}

// Lets the organizer choose in the dialog which events a member reaches.
function openEvents({ userId, name, eventIds }) {
  const failure = h("div", { role: "alert" });
  const close = () => dialog.close();
  const edit = h("form", {}, h("h2", {}, _("Events of %(name)s", { name })),
    makeEventChoices(choices, eventIds), failure,
    h("div", { class: "row" }, h("button", { class: "primary" }, _("Save")),
      h("button", { type: "button", onclick: close }, _("Go back"))));
  onSubmit(edit, failure, async () => {
    await call("PATCH", `${path}/${userId}`, { body: { eventIds: readEventIds(edit) } });
    close();
    await showTeam();
    showMessage(message, _("The events of %(name)s are changed.", { name }), "good");
  });
  fill(dialog, edit);
  dialog.showModal();
}

async function changeMember({ userId, name, role }, select) {
  showMessage(message, "");
  try {
    await call("PATCH", `${path}/${userId}`, { body: { role: select.value } });
    showMessage(message, _("The role of %(name)s is changed.", { name }), "good");
  } catch (error) {
    select.value = role;
    showMessage(message, error.message, "bad");
  }
}

async function removeMember(userId, name) {
  const isSure = await ask({
    title: _("Remove %(name)s?", { name }),
    text: _("The person can do nothing with your events any more, at once."),
    agree: _("Remove"),
  });
  if (!isSure) return;
  await call("DELETE", `${path}/${userId}`);
  await showTeam();
  showMessage(message, _("%(name)s is removed.", { name }), "good");
}

function makeInvitationCells({ invitationId, email, role, eventIds, expiresAt }) {
  const withdraw = h("button", { type: "button", class: "danger", "aria-label": _("Withdraw the invitation of %(email)s", { email }) }, _("Withdraw"));
  onClick(withdraw, message, async () => {
    await call("DELETE", `/organizers/me/invitations/${invitationId}`);
    await showTeam();
    showMessage(message, _("The invitation is withdrawn."), "good");
  });
  return [h("strong", {}, email), ROLES[role] || role, describeEvents(eventIds, choices), describeMoment(expiresAt), withdraw];
}

async function invite() {
  const { email, role } = Object.fromEntries(new FormData(form));
  const eventIds = readEventIds(form);
  const body = { email, role, ...(eventIds && { eventIds }) };
  await call("POST", path, { body });
  form.reset();
  await showTeam();
  showMessage(message, _("%(email)s gets a mail with the invitation.", { email }), "good");
}

if (form) onSubmit(form, message, invite);

await startPage(byId("failure"), async () => {
  await startMemberships(message);
  if (!form) return;
  choices = await loadEventChoices();
  fill(byId("invite-events"), makeEventChoices(choices, null));
  await Promise.all([showTeam(), startProfile()]);
});
