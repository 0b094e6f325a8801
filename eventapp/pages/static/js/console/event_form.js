// The form of an event, for a new one and to edit one: loads, keeps, sends.

import { byId, showMessage } from "../dom.js";
import { onSubmit } from "../forms.js";
import { _, makeLink } from "../texts.js";
import { Draft } from "./event_form_draft.js";
import { makeKey, addRow, readValues, refreshChoices, removeRow, writeValues } from "./event_form_rows.js";
import { Changed, saveEvent, Stored } from "./event_form_save.js";
import { ask, event as shown, goTo, makeRemedy, startPage } from "./frame.js";
import { followPoint } from "./map_point.js";
import { PhotoInput } from "./photo_input.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const form = byId("event-form");
const message = byId("form-message");
const stored = new Stored(shown?.id ?? null);
const draft = new Draft(form.dataset.user, stored.eventId);
const photo = new PhotoInput(form);
// The edit count of the event that the form shows, to notice changes of others.
let editCount = null;

const makeNewRow = {
  schedule: (last) => ({ ...makeNextDate(last), key: makeKey(), scheduleId: "" }),
  ticketTypes: () => ({ key: makeKey(), price: "0", visibility: "public" }),
  quotas: () => ({}),
  promoCodes: () => ({ kind: "percent", active: true }),
  questions: () => ({ kind: "text" }),
};

// Returns the values of a further date: those of the last one, a day later.
function makeNextDate(last) {
  if (!last) return { timezone: form.dataset.zone };
  const date = last.date && new Date(Date.parse(last.date) + DAY_MS).toISOString().slice(0, 10);
  return { ...last, date };
}

function makeNewValues() {
  return {
    ...readValues(form),
    schedule: [makeNewRow.schedule(null)],
    ticketTypes: [{ ...makeNewRow.ticketTypes(), type: _("Admission") }],
  };
}

async function load() {
  if (stored.eventId) await stored.load();
  editCount = stored.event?.__v ?? null;
  const kept = draft.read();
  if (kept) editCount = kept.editCount;
  byId("kept").hidden = !kept;
  show(kept ? kept.values : getStoredValues());
}

const getStoredValues = () => (stored.event ? stored.toValues() : makeNewValues());

function show(values) {
  writeValues(form, values);
  for (const row of form.querySelectorAll("[data-row]")) prepare(row);
  for (const name of ["quotas", "promoCodes", "questions"]) byId(`section-${name}`).open = values[name].length > 0;
  photo.showStored();
  form.hidden = false;
}

// Adds what a row needs besides its inputs.
function prepare(row) {
  row.querySelector("[data-remove]").addEventListener("click", () => {
    removeRow(form, row);
    keep();
  });
  if (row.querySelector("[data-point]")) followPoint(row);
  showTaken(row);
  const zone = row.querySelector('[data-part="zone"]');
  if (zone) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  showOnlyFor(row);
}

function showTaken(row) {
  const taken = Number(row.querySelector('[name$=".taken"]')?.value);
  if (taken) row.querySelector('[data-part="taken"]').textContent = _("%(count)s are sold or held already.", { count: taken });
}

// Shows the choices of a question only if its answer is one of them.
function showOnlyFor(row) {
  const part = row.querySelector("[data-only-for]");
  if (part) part.hidden = row.querySelector('[name$=".kind"]').value !== part.dataset.onlyFor;
}

function keep() {
  draft.keep(readValues(form), editCount);
}

function add(list) {
  const row = addRow(form, list, makeNewRow[list](readValues(form)[list].at(-1)));
  prepare(row);
  refreshChoices(form);
  row.querySelector("input:not([type=hidden])").focus();
  keep();
}

function setField(name, value) {
  const input = form.elements[name];
  if (input) input.value = value;
}

async function send(intent, isOverwriting) {
  if (stored.event) stored.event.__v = editCount;
  try {
    await saveEvent(stored, readValues(form), {
      setField, intent, isOverwriting,
      organizerId: form.elements.organizerId?.value,
      photo: photo.file,
      photoSaved: () => photo.forgetFile(),
      progress: (text) => { byId("progress").textContent = text; },
    });
  } finally {
    byId("progress").textContent = "";
    keepAfterSteps();
  }
}

// After a step has succeeded, the form is that of the event as it now is.
function keepAfterSteps() {
  if (!stored.event) return;
  editCount = stored.event.__v;
  draft.moveTo(stored.eventId);
  keep();
  const path = makeLink(`/console/events/${stored.eventId}/edit`);
  if (!shown) history.replaceState(null, "", path);
}

async function submit(submitter) {
  const intent = submitter?.value;
  try {
    await send(intent, false);
  } catch (error) {
    if (!(error instanceof Changed)) return fail(error);
    if (!await askToOverwrite()) return;
    await send(intent, true).catch(fail);
  }
  draft.clear();
  goTo(makeLink(`/console/events/${stored.eventId}`), _("The event is saved."));
}

function fail(error) {
  const remedy = makeRemedy(error);
  // In a tab of its own, so that a chosen photo stays here.
  if (remedy) remedy.target = "_blank";
  setTimeout(() => remedy && message.append(" ", remedy));
  throw error;
}

const askToOverwrite = () => ask({
  title: _("Somebody else has changed this event"),
  text: _("It was changed after you opened this form. If you save, your form replaces those changes."),
  agree: _("Save mine"),
});

for (const button of form.querySelectorAll("[data-add]")) button.addEventListener("click", () => add(button.dataset.add));
form.addEventListener("input", keep);
form.addEventListener("change", (event) => {
  const row = event.target.closest("[data-row]");
  if (row) showOnlyFor(row);
  if (/^(ticketTypes|schedule)\./.test(event.target.name) && !event.target.dataset.choice) refreshChoices(form);
});
byId("discard").addEventListener("click", () => {
  draft.clear();
  location.reload();
});
byId("zones").append(...Intl.supportedValuesOf("timeZone").map((zone) => new Option(zone, zone)));
onSubmit(form, message, submit);
showMessage(message, "");
await startPage(byId("load-failure"), load);
