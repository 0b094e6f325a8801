// The notifications: marks them as read.

import { call } from "../api.js";
import { byId } from "../dom.js";
import { onClick } from "../forms.js";
import { localizeTimes } from "./times.js";

const button = byId("read-all");

localizeTimes();

if (button) {
  button.hidden = false;
  onClick(button, byId("message"), async () => {
    await call("POST", "/notifications/read");
    byId("unread").parentElement.hidden = true;
    for (const badge of document.querySelectorAll("h2 .badge")) badge.remove();
  });
}
