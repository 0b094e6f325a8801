// Scans by the camera or from a picture, one code at a time.

import { byId, fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _ } from "../texts.js";
import { Camera } from "./camera.js";
import { prepare, readPicture } from "./reader.js";
import { allowSound } from "./signals.js";

const SAME_CODE_MS = 4000; // A code that is still in view after its answer was closed is not scanned again.
const FAILURES = {
  NotAllowedError: _("This page may not use the camera. Allow it in the settings of the browser, or scan from a picture."),
  NotFoundError: _("This phone has no camera. Scan from a picture, or find the name in the list."),
  NotReadableError: _("Another app uses the camera. Close it and try again."),
};
const OTHER_FAILURE = _("The camera does not start. Scan from a picture, or find the name in the list.");

export class ScanView {
  #isBusy = false;
  #starting = null;
  #last = { text: "", until: 0 };

  // `onCode` gets the text of a code. Until its promise is resolved, no other code is read.
  constructor(onCode) {
    this.onCode = onCode;
    this.camera = new Camera(byId("video"), (text) => this.#take(text));
    this.message = byId("camera-message");
    onClick(byId("start-camera"), this.message, () => this.#start());
    onClick(byId("stop-camera"), this.message, async () => this.stop());
    onClick(byId("torch"), this.message, () => this.#switchTorch());
    byId("camera").addEventListener("change", () => this.#start(byId("camera").value));
    byId("picture").addEventListener("change", () => this.#readPicture());
    document.addEventListener("pointerdown", allowSound);
    document.addEventListener("keydown", allowSound);
    // The pictures of a hidden page are not looked at, and the light of the camera would go on.
    document.addEventListener("visibilitychange", () => this.#followPage());
    prepare();
  }

  // Starts the camera without asking, if the person has allowed it before.
  async startIfAllowed() {
    try {
      const { state } = await navigator.permissions.query({ name: "camera" });
      if (state === "granted") await this.#start();
    } catch {
      // Some browsers cannot be asked; the button starts the camera.
    }
  }

  // Starts a camera, one at a time: to start another would interrupt the first.
  #start(deviceId = null) {
    this.#starting ||= this.#startNow(deviceId).finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #startNow(deviceId) {
    showMessage(this.message, "");
    try {
      await this.camera.start(deviceId);
    } catch (error) {
      this.stop();
      showMessage(this.message, FAILURES[error.name] || OTHER_FAILURE, "warn");
      return;
    }
    this.#show();
    await this.#listCameras();
  }

  stop() {
    this.camera.stop();
    this.#show();
  }

  #show() {
    const { isOn } = this.camera;
    byId("video").hidden = !isOn;
    byId("start-camera").hidden = isOn;
    byId("stop-camera").hidden = !isOn;
    byId("torch").hidden = !(isOn && this.camera.hasTorch);
    byId("torch").setAttribute("aria-pressed", "false");
    byId("camera-field").hidden = !isOn || byId("camera").options.length < 2;
  }

  async #listCameras() {
    const found = await Camera.list();
    fill(byId("camera"), found.map(({ id, label }, index) =>
      h("option", { value: id }, label || _("Camera %(number)s", { number: index + 1 }))));
    byId("camera").value = this.camera.deviceId;
    this.#show();
  }

  async #switchTorch() {
    const isOn = byId("torch").getAttribute("aria-pressed") !== "true";
    await this.camera.setTorch(isOn);
    byId("torch").setAttribute("aria-pressed", String(isOn));
  }

  #followPage() {
    if (document.hidden && this.camera.isOn) {
      this.wasOn = true;
      this.stop();
    } else if (!document.hidden && this.wasOn) {
      this.wasOn = false;
      this.#start();
    }
  }

  async #take(text) {
    if (this.#isBusy || document.querySelector("dialog[open]")) return;
    if (text === this.#last.text && Date.now() < this.#last.until) return;
    this.#isBusy = true;
    try {
      await this.onCode(text);
    } finally {
      this.#last = { text, until: Date.now() + SAME_CODE_MS };
      this.#isBusy = false;
    }
  }

  async #readPicture() {
    const [file] = byId("picture").files;
    if (!file) return;
    showMessage(this.message, "");
    let text = null;
    try {
      text = await readPicture(file);
    } catch {
      showMessage(this.message, _("This file is no picture that the browser can read."), "bad");
      return;
    } finally {
      byId("picture").value = "";
    }
    if (text === null) showMessage(this.message, _("No code is found in the picture. Take it closer and in good light."), "warn");
    else await this.onCode(text);
  }
}
