// Saves files of the API, which need the token that only scripts have.

import { callForFile } from "../api.js";
import { h } from "../dom.js";
import { onClick } from "../forms.js";

const FOR_A_FILE_MS = 120000;

// Saves the answer of a GET call under a name.
export async function saveFile(path, name) {
  const file = await callForFile("GET", path, { timeout: FOR_A_FILE_MS });
  const url = URL.createObjectURL(file);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), FOR_A_FILE_MS);
}

// Lets the buttons with `data-file` save the file of the path and name that they have.
export function bindDownloads(message, prefix = "") {
  for (const button of document.querySelectorAll("button[data-file]")) {
    onClick(button, message, () => saveFile(prefix + button.dataset.file, button.dataset.name));
  }
}
