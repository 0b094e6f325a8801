// The door devices of an event: make one, show its link once, list and end them.

import { call } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _ } from "../texts.js";
import { eventPath } from "./event_path.js";
import { ask, startPage } from "./frame.js";
import { describeMoment, makeBadge } from "./labels.js";
import { showSecret } from "./secrets.js";
import { makeTable } from "./tables.js";

const [form, message] = ["make", "message"].map(byId);
const path = `${eventPath}/devices`;

async function showList() {
  const { devices } = await call("GET", path);
  const titles = [_("Device"), _("State"), _("Last used"), _("Ends"), _("Actions")];
  const table = makeTable(_("Door devices"), titles, devices.map(makeCells));
  fill(byId("list"), devices.length ? table : h("p", {}, _("There is no device yet.")));
}

function makeCells(device) {
  const state = device.pairedAt
    ? [makeBadge(_("Paired"), "good"), h("div", { class: "quiet small" }, describeMoment(device.pairedAt))]
    : makeBadge(_("Waits for its link to be opened"), "warn");
  return [device.name, state, describeMoment(device.lastUsedAt, _("Never")), describeMoment(device.expiresAt), makeActions(device)];
}

function makeActions({ deviceId, name }) {
  const renew = h("button", { type: "button", "aria-label": _("New link for %(name)s", { name }) }, _("New link"));
  const end = h("button", { type: "button", class: "danger", "aria-label": _("End %(name)s", { name }) }, _("End"));
  onClick(renew, message, async () => showLink(name, await call("POST", `${path}/${deviceId}/link`)));
  onClick(end, message, () => endDevice(deviceId, name));
  return h("div", { class: "row" }, renew, end);
}

async function endDevice(deviceId, name) {
  const isSure = await ask({
    title: _("End %(name)s?", { name }),
    text: _("It can check no more tickets in, at once."),
    agree: _("End the device"),
  });
  if (!isSure) return;
  await call("DELETE", `${path}/${deviceId}`);
  fill(byId("link"));
  await showList();
  showMessage(message, _("The device is ended."), "good");
}

function showLink(name, { link, qr, expiresAt }) {
  showSecret(byId("link"), {
    title: _("Link for %(name)s", { name }),
    text: _("Open this link on the device, or scan the code with its camera. It works once, until %(moment)s, and is not shown again.", { moment: describeMoment(expiresAt) }),
    label: _("Link"),
    secret: link,
    extra: [h("img", { class: "qr", src: qr, alt: _("QR code of the link"), width: 240, height: 240 })],
  });
}

onSubmit(form, message, async () => {
  const { name } = Object.fromEntries(new FormData(form));
  const made = await call("POST", path, { body: { name } });
  form.reset();
  showLink(name, made);
  await showList();
});

await startPage(byId("failure"), showList);
