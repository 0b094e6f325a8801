// Asks for a mail with a link to choose a new password.

import { call } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { onSubmit } from "../forms.js";
import { _ } from "../texts.js";

const form = byId("form");
const message = byId("message");

onSubmit(form, message, async () => {
  await call("POST", "/auth/forgot-password", { body: { email: form.elements.email.value }, anonymous: true });
  form.hidden = true;
  showMessage(message, _("If an account has this email address, a mail is on its way to it."), "good");
});
