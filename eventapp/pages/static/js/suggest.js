// Suggests titles, places, organizers and tags while somebody types a search.
//
// The field is a combobox as ARIA describes it: the arrow keys choose a suggestion, Enter takes it, and
// Escape closes the list. An event is opened; any other text is searched for. Without this script, or
// while the server does not answer, the field is a plain one.

import { call } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { _, makeLink, ngettext } from "./texts.js";

const MIN_TYPED = 2;
const MAX_TYPED = 40;
const PAUSE_MS = 150;
const KINDS = {
  titles: _("Event"),
  locations: _("Place"),
  organizers: _("Organizer"),
  tags: _("Tag"),
};

const input = byId("q");
const list = h("ul", { id: "q-suggestions", class: "suggestions", role: "listbox", "aria-label": _("Suggestions"), hidden: true });
const status = h("p", { class: "visually-hidden", role: "status" });

let shown = [];
let chosen = -1;
let timer = null;
let pending = null;

function close() {
  shown = [];
  show();
}

function show() {
  chosen = -1;
  fill(list, shown.map((each, index) => h("li", {
    id: `q-suggestion-${index}`, role: "option", "aria-selected": "false",
    // The field keeps the focus.
    onmousedown: (event) => event.preventDefault(),
    onclick: () => take(index),
  }, h("span", {}, each.text), h("span", { class: "quiet small" }, each.kind))));
  list.hidden = !shown.length;
  input.setAttribute("aria-expanded", String(!list.hidden));
  input.removeAttribute("aria-activedescendant");
  status.textContent = shown.length ? ngettext("%(num)s suggestion", "%(num)s suggestions", shown.length) : "";
}

function choose(index) {
  list.children[chosen]?.setAttribute("aria-selected", "false");
  chosen = index;
  const option = list.children[chosen];
  if (!option) {
    input.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", option.id);
}

function take(index) {
  const { text, eventId } = shown[index];
  close();
  if (eventId) {
    location.assign(makeLink(`/e/${eventId}`));
    return;
  }
  input.value = text;
  input.form.requestSubmit();
}

async function suggest() {
  const typed = input.value.trim();
  pending?.abort();
  if (typed.length < MIN_TYPED || typed.length > MAX_TYPED) {
    close();
    return;
  }
  const started = new AbortController();
  pending = started;
  try {
    const found = await call("GET", "/events/suggest", { query: { q: typed }, anonymous: true, signal: started.signal });
    if (started.signal.aborted) return;
    shown = listSuggestions(found);
    show();
  } catch (error) {
    if (started.signal.aborted) return;
    if (error.status === undefined) throw error;
    // Nothing is suggested, and the search itself says what is wrong.
    close();
  }
}

function listSuggestions(found) {
  return Object.entries(KINDS).flatMap(([name, kind]) =>
    found[name].map((each) => (name === "titles" ? { text: each.title, eventId: each.eventId, kind } : { text: each, kind })));
}

function onKeyDown(event) {
  const last = shown.length - 1;
  if (event.key === "Escape" && shown.length) {
    event.preventDefault();
    close();
  } else if (event.key === "Enter" && chosen >= 0) {
    event.preventDefault();
    take(chosen);
  } else if (event.key === "ArrowDown" && shown.length) {
    event.preventDefault();
    choose(chosen < last ? chosen + 1 : 0);
  } else if (event.key === "ArrowUp" && shown.length) {
    event.preventDefault();
    choose(chosen > 0 ? chosen - 1 : last);
  }
}

input.setAttribute("role", "combobox");
input.setAttribute("aria-autocomplete", "list");
input.setAttribute("aria-controls", list.id);
input.setAttribute("aria-expanded", "false");
input.parentElement.append(list, status);
input.addEventListener("keydown", onKeyDown);
input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(suggest, PAUSE_MS);
});
input.addEventListener("blur", () => {
  clearTimeout(timer);
  pending?.abort();
  close();
});
