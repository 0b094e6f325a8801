// Reads the codes of tickets and verifies their signatures without the server.
//
// A code is `EVT1.<eventId>.<TICKETID>.<signature>`. The signature is an Ed25519 signature of the text before
// its dot, in base32 without padding. eventapp/tickets/rules.py has the format.

const CODE = /^(EVT1\.([1-9]\d{0,18})\.([0-9A-F]{24}-[1-9]\d{0,9}-[1-9]\d{0,5}))\.([A-Z2-7]{103})$/;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// Returns the parts of a code; null if the text is none. `eventId` is a text, as it may be very long.
export function parseCode(text) {
  const code = text.trim().toUpperCase();
  const match = CODE.exec(code);
  if (!match) return null;
  const [, payload, eventId, ticketId, signature] = match;
  return { code, payload, eventId, ticketId: ticketId.toLowerCase(), signature };
}

function decodeBase32(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let buffer = 0;
  let bits = 0;
  let length = 0;
  for (const letter of text) {
    buffer = ((buffer << 5) | BASE32.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length++] = (buffer >> bits) & 0xff;
  }
  return bytes;
}

function decodeBase64Url(text) {
  const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

let library = null;

// Returns whether the key of this server has signed a parsed code. `publicKey` is 32 bytes in base64url.
export async function isGenuine(parsed, publicKey) {
  const key = decodeBase64Url(publicKey);
  const signature = decodeBase32(parsed.signature);
  const payload = new TextEncoder().encode(parsed.payload);
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, payload);
  } catch (error) {
    if (error.name !== "NotSupportedError") throw error;
  }
  // Browsers from before 2025 have no Ed25519.
  library ||= await import("../../vendor/noble-ed25519/index.js");
  return library.verifyAsync(signature, payload, key);
}
