// Shows the picture of a camera and reads codes from it, until it is stopped.

import { readVideo } from "./reader.js";

const PAUSE_MS = 120; // between two readings
const FOCUS = { width: { ideal: 1280 }, height: { ideal: 720 } };

export class Camera {
  // `onCode` gets the text of each code that is read, again and again while it is in view.
  constructor(video, onCode) {
    this.video = video;
    this.onCode = onCode;
    this.stream = null;
  }

  get isOn() {
    return this.stream !== null;
  }

  // Starts a camera: the one with this id, else one that faces away from the person.
  async start(deviceId = null) {
    this.stop();
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...FOCUS, ...which } });
    this.stream = stream;
    this.video.srcObject = stream;
    await this.video.play();
    this.#read(stream);
  }

  stop() {
    for (const track of this.stream?.getTracks() || []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  async #read(stream) {
    while (this.stream === stream) {
      if (this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !document.hidden) {
        const text = await readVideo(this.video);
        if (text && this.stream === stream) this.onCode(text);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  // Returns the cameras of this phone, as `{id, label}`. Browsers name them once one was allowed.
  static async list() {
    const found = await navigator.mediaDevices.enumerateDevices();
    return found.filter((each) => each.kind === "videoinput" && each.deviceId)
      .map((each) => ({ id: each.deviceId, label: each.label }));
  }

  get deviceId() {
    return this.stream?.getVideoTracks()[0].getSettings().deviceId;
  }

  // Whether the camera has a light that can be switched.
  get hasTorch() {
    return Boolean(this.stream?.getVideoTracks()[0].getCapabilities?.().torch);
  }

  async setTorch(isOn) {
    await this.stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: isOn }] });
  }
}
