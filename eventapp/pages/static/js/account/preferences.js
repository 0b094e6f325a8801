// Which mails come.

import { call } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { onSubmit } from "../forms.js";
import { _ } from "../texts.js";

const form = byId("preferences");
const message = byId("preferences-message");

onSubmit(form, message, async () => {
  const unsubscribedOrganizers = [...form.querySelectorAll("[name=organizer]:checked")].map((each) => each.value);
  const mailPreferences = { announcements: form.elements.announcements.checked, unsubscribedOrganizers };
  await call("PUT", "/auth/profile", { body: { mailPreferences } });
  showMessage(message, _("Saved."), "good");
});
