// The log of an event: who changed what and when.

import { byId, h } from "../dom.js";
import { _, formatMoment, ngettext } from "../texts.js";
import { eventPath } from "./event_path.js";
import { fromApi, List } from "./table.js";

const ACTIONS = {
  created: _("Created"),
  duplicated: _("Duplicated"),
  edited: _("Edited"),
  published: _("Published"),
  cancelled: _("Cancelled"),
  announced: _("Wrote an announcement"),
  announcement_deleted: _("Deleted an announcement"),
};

function makeCells({ at, user, via, tokenName, action, changes, moreChanges }) {
  return [formatMoment(at), describePerson(user, via, tokenName), ACTIONS[action] || action, h("div", {},
    changes.map(makeChange),
    moreChanges ? h("div", { class: "quiet small" },
      ngettext("and %(num)s more field", "and %(num)s more fields", moreChanges)) : null,
    changes.length ? null : "–")];
}

function describePerson(user, via, tokenName) {
  const name = user?.name || (via === "anyone" ? _("Anyone") : _("A deleted account"));
  return h("div", {}, name, tokenName && h("div", { class: "quiet small" }, _("with the token %(name)s", { name: tokenName })));
}

function makeChange({ field, before, after }) {
  return h("div", { class: "change" }, h("code", {}, field), ": ",
    before === null ? null : h("del", {}, describeValue(before)), before === null || after === null ? "" : " → ",
    after === null ? null : h("ins", {}, describeValue(after)));
}

const describeValue = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

const load = fromApi(`${eventPath}/log`, "entries");
await new List(byId("log"), { load, cells: makeCells }).reload();
