// The webhooks of an organizer: make, pause and delete them, and see what was delivered.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _ } from "../texts.js";
import { makeDeliveries } from "./deliveries.js";
import { describeEvents, loadEventChoices, makeEventChoices, readEventIds } from "./event_choices.js";
import { ask, startPage } from "./frame.js";
import { describeMoment, makeBadge } from "./labels.js";
import { showSecret } from "./secrets.js";

const [form, message, list] = ["make", "message", "list"].map(byId);
let choices = [];

async function showList() {
  const { webhooks } = await call("GET", "/webhooks");
  fill(list, webhooks.length ? webhooks.map(makeCard) : h("p", {}, _("There is no webhook yet.")));
}

function makeCard(webhook) {
  const deliveries = h("div");
  const card = h("article", { class: "card", id: `webhook-${webhook.webhookId}` },
    h("h3", { class: "row spread" }, h("span", { class: "address" }, webhook.url), makeState(webhook)),
    h("p", { class: "small" }, webhook.events.join(", ")),
    h("p", { class: "small quiet" }, describeEvents(webhook.eventIds, choices), " · ",
      _("made %(moment)s", { moment: describeMoment(webhook.createdAt) })),
    makeNotes(webhook), makeActions(webhook, deliveries), deliveries);
  return card;
}

function makeState({ enabled, disabledBy }) {
  if (enabled) return makeBadge(_("Switched on"), "good");
  return makeBadge(disabledBy === "failures" ? _("Off after failures") : _("Paused"), "bad");
}

function makeNotes({ failingSince, previousSecretUntil }) {
  return [
    failingSince && h("p", { class: "message warn" }, _("Deliveries have failed since %(moment)s.", { moment: describeMoment(failingSince) })),
    previousSecretUntil && new Date(previousSecretUntil) > new Date() && h("p", { class: "small" },
      _("The former secret is good until %(moment)s.", { moment: describeMoment(previousSecretUntil) })),
  ];
}

function makeActions(webhook, place) {
  const { webhookId, url, enabled } = webhook;
  const path = `/webhooks/${webhookId}`;
  const button = (text, action, kind = null) => {
    const element = h("button", { type: "button", class: kind, "aria-label": `${text}: ${url}` }, text);
    onClick(element, message, action);
    return element;
  };
  const shown = makeDeliveries(place, path, message);
  return h("div", { class: "row" },
    button(_("Deliveries"), () => shown.show()),
    button(_("Send a test"), async () => {
      const { deliveryId } = await call("POST", `${path}/test`);
      await shown.follow(deliveryId);
    }),
    button(enabled ? _("Pause") : _("Switch on"), async () => {
      await call("PATCH", path, { body: { enabled: !enabled } });
      await showList();
    }),
    button(_("New secret"), () => rotate(path, url)),
    button(_("Delete"), () => remove(path, url), "danger"));
}

async function rotate(path, url) {
  const isSure = await ask({
    title: _("Make a new secret?"),
    text: _("Deliveries are signed with both secrets for 24 hours. Then the former one is void."),
    agree: _("Make a new secret"),
  });
  if (!isSure) return;
  const { secret } = await call("POST", `${path}/rotate-secret`);
  await showList();
  showWebhookSecret(url, secret);
}

async function remove(path, url) {
  const isSure = await ask({
    title: _("Delete the webhook?"),
    text: _("%(url)s gets no more deliveries, and those of the past are deleted.", { url }),
    agree: _("Delete"),
  });
  if (!isSure) return;
  await call("DELETE", path);
  await showList();
  showMessage(message, _("The webhook is deleted."), "good");
}

function showWebhookSecret(url, secret) {
  showSecret(byId("secret-place"), {
    title: _("Secret of the webhook"),
    text: _("Check the signatures of what %(url)s receives with this secret. It is not shown again.", { url }),
    label: _("Secret"),
    secret,
  });
}

onSubmit(form, message, async () => {
  const data = new FormData(form);
  const eventIds = readEventIds(form);
  const body = { url: data.get("url").trim(), events: data.getAll("events"), ...(eventIds && { eventIds }) };
  if (!body.events.length) {
    showMessage(message, _("Choose what is sent."), "warn");
    return;
  }
  const { secret, webhook } = await call("POST", "/webhooks", { body });
  form.reset();
  await showList();
  showWebhookSecret(webhook.url, secret);
});

await startPage(byId("failure"), async () => {
  choices = await loadEventChoices();
  fill(byId("make-events"), makeEventChoices(choices, null));
  await showList();
});
