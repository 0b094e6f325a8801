// The teams of others that the person is in.

import { call } from "../api.js";
import { byId, fill, h } from "../dom.js";
import { onClick } from "../forms.js";
import { _ } from "../texts.js";
import { ask } from "./frame.js";
import { describeMoment, ROLES } from "./labels.js";
import { makeTable } from "./tables.js";

// Lists the teams of others that the person is in, with a button to leave each.
export async function startMemberships(message) {
  const { memberships } = await call("GET", "/organizers/memberships");
  const place = byId("memberships");
  place.hidden = !memberships.length;
  const titles = [_("Organizer"), _("Your role"), _("Since"), _("Actions")];
  const rows = memberships.map(({ organizerId, organizer, role, joinedAt }) => {
    const leave = h("button", { type: "button", class: "danger", "aria-label": _("Leave the team of %(name)s", { name: organizer }) }, _("Leave"));
    onClick(leave, message, async () => {
      const isSure = await ask({
        title: _("Leave the team of %(name)s?", { name: organizer }),
        text: _("Only the organizer can invite you again."),
        agree: _("Leave"),
      });
      if (!isSure) return;
      await call("DELETE", `/organizers/memberships/${organizerId}`);
      await startMemberships(message);
    });
    return [h("strong", {}, organizer), ROLES[role] || role, describeMoment(joinedAt), leave];
  });
  fill(byId("memberships-list"), makeTable(_("Teams that you are in"), titles, rows));
}
