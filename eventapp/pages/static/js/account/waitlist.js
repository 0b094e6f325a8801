// The places on waitlists: leaves a waitlist.

import { call } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { confirmIn, onClick } from "../forms.js";
import { _ } from "../texts.js";

const message = byId("message");

for (const button of document.querySelectorAll("[data-event]")) {
  button.hidden = false;
  onClick(button, message, () => leave(button));
}

async function leave(button) {
  const isSure = await confirmIn(byId("dialog"), {
    title: _("Leave the waitlist?"),
    text: _("You lose your place for “%(title)s”. An offer that waits for you is given back.", { title: button.dataset.title }),
    agree: _("Leave"),
    keep: _("Stay"),
  });
  if (!isSure) return;
  await call("DELETE", `/waitlist/${button.dataset.event}`);
  // All places of an event are given up together.
  const others = document.querySelectorAll(`[data-event="${button.dataset.event}"]`);
  for (const each of others) each.closest("li").remove();
  byId("none").hidden = document.querySelector("[data-event]") !== null;
  showMessage(message, _("You have left the waitlist."), "good");
}
