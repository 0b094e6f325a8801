// Shows a secret that the API tells once: a token, the secret of a webhook, the link of a device.

import { fill, h } from "../dom.js";
import { onClick } from "../forms.js";
import { _ } from "../texts.js";

// Shows a secret with a button that copies it. `extra` are elements to show below.
export function showSecret(place, { title, text, label, secret, extra = [] }) {
  const input = h("input", { id: "secret", readonly: true, value: secret, autocomplete: "off", spellcheck: "false" });
  const message = h("div", { role: "status" });
  const copy = h("button", { type: "button" }, _("Copy"));
  const done = h("button", { type: "button", onclick: () => fill(place) }, _("Done"));
  onClick(copy, message, async () => {
    input.select();
    await copySelection(input.value);
    message.textContent = _("Copied.");
  });
  const heading = h("h2", { tabindex: "-1" }, title);
  fill(place, h("section", { class: "card secret" }, heading, h("p", {}, text),
    h("div", { class: "field" }, h("label", { for: "secret" }, label), input),
    extra, h("div", { class: "row" }, copy, done), message));
  heading.focus();
}

async function copySelection(text) {
  // Browsers offer the clipboard on https and on this computer alone.
  if (navigator.clipboard) await navigator.clipboard.writeText(text).catch(() => document.execCommand("copy"));
  else document.execCommand("copy");
}
