// Shared by all pages of the console: what the page is about, failures of a whole page, and questions
// before what cannot be undone.

import { byId, fill, h, showMessage } from "../dom.js";
import { confirmIn } from "../forms.js";
import { _, makeLink } from "../texts.js";

// The event of the page: `id`, `title`, `status`, and `role` of the person, which is `owner`,
// `manager`, `viewer` or `door`. Null on pages about no event.
export const event = readEvent();

function readEvent() {
  const data = byId("event")?.dataset;
  if (!data) return null;
  const { eventId, title, status, role } = data;
  return { id: Number(eventId), title, status, role, mayEdit: ["owner", "manager"].includes(role) };
}

// Shows the current entry of the event's navigation, which may be scrolled out of sight on a phone.
function showCurrentTab() {
  const tabs = document.querySelector(".tabs");
  const current = tabs?.querySelector("[aria-current]");
  if (current) tabs.scrollLeft = current.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
}

showCurrentTab();

// Shows a message at the end of the page, or removes it.
export function announce(text, kind = "good") {
  const place = byId("page-message");
  showMessage(place, text, text ? kind : "");
  if (text) place.scrollIntoView({ block: "nearest" });
}

const FLASH = "flash";

// Opens another page, which shows a message.
export function goTo(path, text) {
  sessionStorage.setItem(FLASH, text);
  location.assign(path);
}

const flash = sessionStorage.getItem(FLASH);
if (flash) {
  sessionStorage.removeItem(FLASH);
  announce(flash);
}

// Returns what can be done about a failed call: a link for signing in, or null.
// The link leads back to this page.
export function makeRemedy(error) {
  if (error.status !== 401) return null;
  const next = location.pathname + location.search;
  return h("a", { href: makeLink("/account/sign-in", { next }) }, _("Sign in"));
}

// Shows in an element why a call failed, with what can be done about it.
// `retry` is called by the button "Try again", which is left out without it.
export function showProblem(place, error, retry = null) {
  if (error.status === undefined) throw error;
  const again = retry && h("button", { type: "button", onclick: retry }, _("Try again"));
  place.className = "message bad";
  fill(place, h("p", {}, error.message), h("div", { class: "row" }, makeRemedy(error) || again));
}

// Runs what a page does at first. Shows in `place` why it failed, with a button that tries again.
export async function startPage(place, load) {
  try {
    showMessage(place, "");
    await load();
  } catch (error) {
    showProblem(place, error, () => startPage(place, load));
  }
}

// Asks in a dialog before something that cannot be undone. Resolves to true if the person agrees.
export function ask({ title, text, agree, keep = _("Go back") }) {
  let dialog = byId("question");
  if (!dialog) {
    dialog = h("dialog", { id: "question" });
    document.body.append(dialog);
  }
  return confirmIn(dialog, { title, text, agree, keep });
}
