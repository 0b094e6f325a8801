// A copy of what is stored about the person, and the end of the account.

import { call, callForFile } from "../api.js";
import { byId, h, showMessage } from "../dom.js";
import { confirmIn, onClick, onSubmit } from "../forms.js";
import { _, makeLink } from "../texts.js";

const button = byId("export");
const form = byId("delete");

onClick(button, byId("export-message"), async () => {
  const file = await callForFile("GET", `/users/${button.dataset.user}/export`);
  const url = URL.createObjectURL(file);
  h("a", { href: url, download: "my-data.json" }).click();
  URL.revokeObjectURL(url);
  showMessage(byId("export-message"), _("The file is among your downloads."), "good");
});

onSubmit(form, byId("delete-message"), async () => {
  const isSure = await confirmIn(byId("dialog"), {
    title: _("Delete the account?"),
    text: _("This cannot be undone."),
    agree: _("Delete the account"),
    keep: _("Keep it"),
  });
  if (!isSure) return;
  await call("DELETE", `/users/${form.dataset.user}`);
  location.assign(makeLink("/"));
});
