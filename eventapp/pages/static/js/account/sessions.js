// Where the account is signed in, and the change of its password.

import { call } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _ } from "../texts.js";
import { localizeTimes } from "./times.js";

const message = byId("message");
const form = byId("password-form");

localizeTimes();

for (const button of document.querySelectorAll("[data-session]")) {
  button.hidden = false;
  onClick(button, message, async () => {
    await call("DELETE", `/auth/sessions/${button.dataset.session}`);
    button.closest("li").remove();
    showMessage(message, _("The session has ended."), "good");
  });
}

onSubmit(form, byId("password-message"), async () => {
  const { currentPassword, newPassword } = Object.fromEntries(new FormData(form));
  await call("PUT", "/auth/change-password", { body: { currentPassword, newPassword } });
  form.reset();
  for (const button of document.querySelectorAll("[data-session]")) button.closest("li").remove();
  showMessage(byId("password-message"), _("Your password is changed. All other sessions have ended."), "good");
});
