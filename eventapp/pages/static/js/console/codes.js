// The promo codes of an event: what each gives, how often it was used, and switching it on and off.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatAmount, formatNumber } from "../texts.js";
import { eventPath } from "./event_path.js";
import { startPage } from "./frame.js";
import { describeMoment, makeBadge } from "./labels.js";
import { makeTable } from "./tables.js";

const [list, message] = ["list", "message"].map(byId);
const mayEdit = "mayEdit" in list.dataset;

async function showList() {
  const [{ promoCodes }, { ticketTypes }] = await Promise.all([
    call("GET", `${eventPath}/promo-codes`), call("GET", `${eventPath}/ticket-types`),
  ]);
  const names = new Map(ticketTypes.map(({ ticketTypeId, type }) => [ticketTypeId, type]));
  const titles = [_("Code"), _("Discount"), _("Tickets"), _("Used"), _("Valid"), _("State")];
  const rows = promoCodes.map((code) => makeCells(code, names));
  fill(list, rows.length ? makeTable(_("Promo codes"), titles, rows) : h("p", {}, _("There is no code yet.")));
}

function makeCells(code, names) {
  const name = (id) => names.get(id) || String(id);
  const tickets = code.ticketTypeIds ? code.ticketTypeIds.map(name).join(", ") : _("All");
  const unlocked = code.unlocks?.length
    ? h("div", { class: "quiet small" }, _("Shows %(types)s", { types: code.unlocks.map(name).join(", ") }))
    : null;
  return [code.code, describeDiscount(code), h("div", {}, tickets, unlocked), describeUses(code), describePeriod(code), makeState(code)];
}

function describeDiscount({ kind, value }) {
  if (kind === "percent") return _("%(value)s%% off", { value: formatNumber(value) });
  const amount = formatAmount(value, list.dataset.currency);
  return kind === "amount" ? _("%(amount)s off each ticket", { amount }) : _("%(amount)s for each ticket", { amount });
}

function describeUses({ used, maxUses }) {
  if (maxUses === null) return formatNumber(used);
  return _("%(used)s of %(most)s", { used: formatNumber(used), most: formatNumber(maxUses) });
}

function describePeriod({ validFrom, validUntil }) {
  const parts = [
    validFrom && _("from %(moment)s", { moment: describeMoment(validFrom) }),
    validUntil && _("until %(moment)s", { moment: describeMoment(validUntil) }),
  ];
  return parts.filter(Boolean).join(" ") || _("Always");
}

function makeState({ codeId, code, active }) {
  const badge = makeBadge(active ? _("Switched on") : _("Switched off"), active ? "good" : "");
  if (!mayEdit) return badge;
  const text = active ? _("Switch off") : _("Switch on");
  const button = h("button", { type: "button", "aria-label": `${text}: ${code}` }, text);
  onClick(button, message, async () => {
    await call("PATCH", `${eventPath}/promo-codes/${codeId}`, { body: { active: !active } });
    await showList();
    showMessage(message, active ? _("The code is switched off.") : _("The code is switched on."), "good");
  });
  return h("div", { class: "row" }, badge, button);
}

await startPage(byId("failure"), showList);
