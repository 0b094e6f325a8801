// Opens a door: by the code of a link, by the event in the address for a manager, or the one opened before.

import { call, loadUser } from "../api.js";
import { byId, fill, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _, makeLink } from "../texts.js";
import { findDoor, openAsManager, pair } from "./access.js";

const CODE = /evp_[A-Za-z0-9]{40}/;

// Returns the code in the address, and removes it there, so that nobody reads it from the screen or the history.
function takeCode() {
  const code = CODE.exec(location.hash)?.[0] || null;
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

// Opens a door if there is one, else shows how to get one. `onOpen` gets the door.
export async function startPairing(onOpen) {
  const message = byId("pairing-message");
  // A link that is opened on this very page changes the fragment alone.
  addEventListener("hashchange", () => {
    const code = takeCode();
    if (code) pair(code).then(() => location.reload(), (error) => showPairing(error));
  });
  onSubmit(byId("pairing-form"), message, async () => {
    const code = CODE.exec(byId("link").value)?.[0];
    if (!code) throw new Error(_("This is no link for a phone at the door. It ends in a code after #."));
    await pair(code);
    location.replace(makeLink("/door"));
  });
  onClick(byId("use-account"), message, chooseEvent);
  try {
    const door = await findOrOpen();
    if (door) await onOpen(door);
    else showPairing();
  } catch (error) {
    showPairing(error);
  }
}

async function findOrOpen() {
  const code = takeCode();
  if (code) {
    byId("link").value = code;
    return pair(code);
  }
  const eventId = Number(new URLSearchParams(location.search).get("event"));
  return eventId ? openAsManager(eventId) : findDoor();
}

function showPairing(error = null) {
  if (error && error.status === undefined) throw error;
  byId("opening").hidden = true;
  byId("door").hidden = true;
  byId("pairing").hidden = false;
  if (!error) return;
  const text = error.code === "code_invalid"
    ? _("This link was used already, or it is older than 15 minutes. Ask the organizer for a new one.") : error.message;
  showMessage(byId("pairing-message"), text, "bad");
}

async function chooseEvent() {
  if (!(await loadUser())) {
    location.assign(makeLink("/account/sign-in", { next: "/door" }));
    return;
  }
  const { events } = await call("GET", "/events", { query: { mine: true, limit: 100 } });
  fill(byId("events"), events.map((event) =>
    h("li", {}, h("a", { href: makeLink("/door", { event: event.eventId }) }, event.title))));
  if (!events.length) showMessage(byId("pairing-message"), _("You have no upcoming events."), "warn");
}
