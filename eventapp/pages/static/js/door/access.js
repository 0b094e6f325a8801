// The access of this phone to the check-in of an event: the token of a paired device, else the session of
// the manager who is signed in on this page.
//
// A door is `{eventId, title, secret, name, endedAt}`. `secret` is the token of a device, null for a
// manager; `endedAt` is set once the server refuses it.

import { ApiError, call } from "../api.js";
import * as database from "./database.js";

// Exchanges the code of a link for the token of a device, and keeps it. Returns the door.
export async function pair(code) {
  const paired = await call("POST", "/devices/pair", { body: { code }, anonymous: true });
  return keep({ eventId: paired.eventId, title: paired.eventTitle, secret: paired.secret, name: paired.name });
}

// Opens the door of an event for the manager who is signed in. A paired device stays one, and what was opened
// before opens without a connection.
export async function openAsManager(eventId) {
  const stored = await database.get("doors", eventId);
  if (stored?.secret && !stored.endedAt) return keep(stored);
  try {
    const event = await call("GET", `/events/${eventId}`);
    return await keep({ eventId, title: event.title, secret: null, name: null });
  } catch (error) {
    if (stored && error.status === 0) return keep(stored);
    throw error;
  }
}

async function keep(door) {
  const kept = { ...door, endedAt: null };
  await database.put("doors", kept);
  await database.setSetting("eventId", door.eventId);
  return kept;
}

// Returns the door that was open last on this phone, undefined without one.
export async function findDoor() {
  const eventId = await database.getSetting("eventId");
  return eventId === undefined ? undefined : database.get("doors", eventId);
}

// Forgets the token of a door. Its scans stay.
export async function forget(door) {
  await database.put("doors", { ...door, secret: null, endedAt: Date.now() });
  await database.remove("settings", "eventId");
  await database.remove("lists", door.eventId);
}

// Makes a call of the check-in of a door's event. Throws an ApiError.
export async function request(door, method, path, options = {}) {
  const whole = `/events/${door.eventId}/check-in${path}`;
  if (!door.secret) return call(method, whole, options);
  const headers = { Authorization: `Bearer ${door.secret}` };
  return call(method, whole, { ...options, headers, anonymous: true });
}

// Returns whether a failure means that the door may not be used any more, until it is paired again.
export function isEnd(error) {
  return error instanceof ApiError && ([401, 403].includes(error.status) || error.code === "event_not_found");
}

// Notes that the server refuses a door.
export async function markEnded(door) {
  door.endedAt = Date.now();
  const stored = await database.get("doors", door.eventId);
  // It may have been paired again meanwhile, in another tab.
  if (stored?.secret === door.secret) await database.put("doors", { ...stored, endedAt: door.endedAt });
}
