// A form that sends the token of a mailed link when its reader presses the button. It says in its data
// attributes which call is made, and what to say when it is done.

import { call } from "../api.js";
import { byId, showMessage } from "../dom.js";
import { onSubmit, showError } from "../forms.js";
import { _ } from "../texts.js";

const form = byId("form");
const message = byId("message");
const asked = byId("asked");

// Shows the form, if the link has a token, and sends it with the token.
export function offer(token) {
  if (!token) {
    showMessage(message, _("This link is not complete. Open it from the mail again."), "bad");
    return;
  }
  byId("offer").hidden = false;
  if (!form) return;
  setAsked(false);
  onSubmit(form, message, () => send(token));
}

async function send(token) {
  const { repeated, ...values } = Object.fromEntries(new FormData(form));
  if (repeated !== undefined && repeated !== values.newPassword) {
    showError(form.elements.repeated, _("The two passwords are not the same."));
    form.elements.repeated.focus();
    return;
  }
  try {
    await call("POST", form.dataset.call, {
      body: { token, ...values }, anonymous: form.dataset.signedIn === undefined,
    });
  } catch (error) {
    if (asked?.hidden && error.errors?.password) {
      setAsked(true);
      showMessage(message, _("Enter the password of your account to verify this address."), "warn");
      return;
    }
    if (error.code === "token_invalid") error.errors = {};
    throw error;
  }
  form.reset();
  byId("offer").hidden = true;
  showMessage(message, form.dataset.done, "good");
}

// The password is asked for where the server wants it.
function setAsked(isAsked) {
  if (!asked) return;
  const input = asked.querySelector("input");
  asked.hidden = !isAsked;
  input.disabled = !isAsked;
  if (isAsked) input.focus();
}

