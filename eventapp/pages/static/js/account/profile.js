// The profile: name, text and language, and the email address.

import { call } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _, language } from "../texts.js";

const profile = byId("profile");
const emailForm = byId("email-form");
const resend = byId("resend");

onSubmit(profile, byId("profile-message"), async () => {
  const body = Object.fromEntries(new FormData(profile));
  await call("PUT", "/auth/profile", { body });
  if (body.language === language) {
    showMessage(byId("profile-message"), _("Saved."), "good");
  } else {
    location.assign(`${location.pathname}?${new URLSearchParams({ lang: body.language })}`);
  }
});

onSubmit(emailForm, byId("email-message"), async () => {
  const body = Object.fromEntries(new FormData(emailForm));
  const changed = await call("PUT", "/auth/profile", { body });
  emailForm.reset();
  const text = changed.pendingEmail
    ? _("Open the link that we sent to %(email)s. Until then your address stays as it is.", { email: changed.pendingEmail })
    : _("Saved.");
  showMessage(byId("email-message"), text, "good");
});

if (resend) {
  onClick(resend, byId("resend-message"), async () => {
    await call("POST", "/auth/verify-email/resend");
    showMessage(byId("resend-message"), _("A mail is on its way to you."), "good");
  });
}
