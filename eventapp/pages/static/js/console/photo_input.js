// The photo of an event in its form: a preview of what is stored or chosen, and its removal.

import { byId } from "../dom.js";
import { showError } from "../forms.js";
import { _ } from "../texts.js";

const MAX_BYTES = 5 * 1024 * 1024;

export class PhotoInput {
  constructor(form) {
    this.input = byId("photo");
    this.stored = form.elements.image;
    byId("photo-remove").addEventListener("click", () => this.remove());
    this.input.addEventListener("change", () => this.choose());
  }

  // The chosen file, or null.
  get file() {
    return this.input.files[0] || null;
  }

  show(url) {
    const preview = byId("photo-preview");
    preview.hidden = !url;
    if (url) preview.src = url;
    byId("photo-remove").hidden = !url;
  }

  showStored() {
    this.show(this.stored.value);
  }

  forgetFile() {
    this.input.value = "";
  }

  remove() {
    this.forgetFile();
    this.stored.value = "";
    this.stored.dispatchEvent(new Event("input", { bubbles: true }));
    this.show("");
  }

  choose() {
    const file = this.file;
    this.input.closest(".field").querySelector(".field-error")?.remove();
    if (!file) return this.showStored();
    if (file.size > MAX_BYTES) {
      this.forgetFile();
      return showError(this.input, _("The file is larger than 5 MB."));
    }
    // The policy of the pages allows data: URLs, not those of blobs.
    const reader = new FileReader();
    reader.addEventListener("load", () => this.show(reader.result));
    reader.readAsDataURL(file);
  }
}
