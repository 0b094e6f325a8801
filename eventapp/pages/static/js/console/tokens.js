// The API tokens of the person: make one, show its secret once, list and end them.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _ } from "../texts.js";
import { describeEvents, loadEventChoices, makeEventChoices, readEventIds } from "./event_choices.js";
import { ask, startPage } from "./frame.js";
import { describeMoment } from "./labels.js";
import { showSecret } from "./secrets.js";
import { makeTable } from "./tables.js";

const [form, message] = ["make", "message"].map(byId);
let choices = [];

async function showList() {
  const { tokens } = await call("GET", "/auth/tokens");
  const titles = [_("Token"), _("What it may do"), _("Events"), _("Last used"), _("Ends"), _("Actions")];
  const table = makeTable(_("API tokens"), titles, tokens.map(makeCells));
  fill(byId("list"), tokens.length ? table : h("p", {}, _("There is no token yet.")));
}

function makeCells(token) {
  const name = [h("strong", {}, token.name), h("div", { class: "quiet small" }, h("code", {}, `${token.prefix}…`))];
  return [
    name, token.scopes.map((scope) => h("div", { class: "small" }, scope)), describeEvents(token.eventIds, choices),
    describeMoment(token.lastUsedAt, _("Never")), describeMoment(token.expiresAt, _("Never")), makeEnd(token),
  ];
}

function makeEnd({ tokenId, name }) {
  const button = h("button", { type: "button", class: "danger", "aria-label": _("End %(name)s", { name }) }, _("End"));
  onClick(button, message, async () => {
    const isSure = await ask({
      title: _("End %(name)s?", { name }),
      text: _("Programs that use this token are refused at once. Webhooks that it has made end, too."),
      agree: _("End the token"),
    });
    if (!isSure) return;
    await call("DELETE", `/auth/tokens/${tokenId}`);
    await showList();
    showMessage(message, _("The token is ended."), "good");
  });
  return button;
}

function readForm() {
  const data = new FormData(form);
  const eventIds = readEventIds(form);
  return {
    name: data.get("name"),
    scopes: data.getAll("scopes"),
    currentPassword: data.get("currentPassword"),
    ...(eventIds && { eventIds }),
    ...(data.get("expiresAt") && { expiresAt: new Date(data.get("expiresAt")).toISOString() }),
  };
}

onSubmit(form, message, async () => {
  const body = readForm();
  if (!body.scopes.length) {
    showMessage(message, _("Choose what the token may do."), "warn");
    return;
  }
  const { secret } = await call("POST", "/auth/tokens", { body });
  form.reset();
  await showList();
  showSecret(byId("secret-place"), {
    title: _("Secret of %(name)s", { name: body.name }),
    text: _("Programs send it in the header Authorization, after “Bearer”. It is not shown again."),
    label: _("Secret"),
    secret,
  });
});

await startPage(byId("failure"), async () => {
  choices = await loadEventChoices();
  fill(byId("make-events"), makeEventChoices(choices, null));
  await showList();
});
