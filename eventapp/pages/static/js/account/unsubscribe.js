// Ends the announcements of an organizer by mail, by the key of a mail. Nobody needs to sign in.

import { ApiError } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { describeFailure, OFFLINE } from "../failures.js";
import { onSubmit } from "../forms.js";
import { _ } from "../texts.js";
import { takeSecret } from "./secrets.js";

const form = byId("form");
const message = byId("message");
const key = takeSecret("key");

async function unsubscribe() {
  let response;
  try {
    response = await fetch(`/mails/unsubscribe?${new URLSearchParams({ key })}`, {
      method: "POST", credentials: "omit", headers: { Accept: "application/json" },
    });
  } catch {
    throw new ApiError(OFFLINE);
  }
  if (response.ok) return;
  const body = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  throw new ApiError(describeFailure(response.status, body, retryAfter), response.status);
}

if (key) {
  byId("offer").hidden = false;
  onSubmit(form, message, async () => {
    await unsubscribe();
    byId("offer").hidden = true;
    showMessage(message, form.dataset.done, "good");
  });
} else {
  showMessage(message, _("This link is not complete. Open it from the mail again."), "bad");
}
