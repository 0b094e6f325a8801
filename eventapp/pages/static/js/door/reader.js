// Reads a QR code from a picture or a frame of the camera: by the browser's BarcodeDetector, which not all
// have, else by the vendored library `qr`.

const MAX_SIDE = 2000;
let detector = null;
let decodeQR = null;

// Loads what reads codes. Call it early, so that the first scan need not wait.
export async function prepare() {
  if (detector || decodeQR) return;
  const formats = (await globalThis.BarcodeDetector?.getSupportedFormats()) || [];
  if (formats.includes("qr_code")) detector = new BarcodeDetector({ formats: ["qr_code"] });
  else ({ decodeQR } = await import("../../vendor/qr/decode.js"));
}

const canvas = document.createElement("canvas");

// Draws a source, no larger than MAX_SIDE, and returns its pixels.
function readPixels(source, width, height) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function decode(pixels, options) {
  try {
    return decodeQR(pixels, options);
  } catch {
    return null; // The library throws where it finds no code.
  }
}

// Returns the text of a code in the present frame of a video; null without one.
export async function readVideo(video) {
  await prepare();
  if (detector) return (await detector.detect(video))[0]?.rawValue ?? null;
  return decode(readPixels(video, video.videoWidth, video.videoHeight));
}

// Returns the text of a code in a picture; null without one. Throws if the file is no picture.
export async function readPicture(file) {
  await prepare();
  const bitmap = await createImageBitmap(file);
  try {
    if (detector) return (await detector.detect(bitmap))[0]?.rawValue ?? null;
    const pixels = readPixels(bitmap, bitmap.width, bitmap.height);
    return decode(pixels, { effort: Infinity, timeLimit: 3000 });
  } finally {
    bitmap.close();
  }
}
