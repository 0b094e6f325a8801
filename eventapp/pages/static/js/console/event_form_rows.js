// The rows of the form of an event: dates, ticket types, limits, codes and questions.
//
// A row is a copy of a template, whose inputs are named `LIST.NUMBER.FIELD`. Rows that refer to others,
// such as a limit for two ticket types, name them by their keys, because a new one has no id yet.

import { byId, fill, h } from "../dom.js";
import { _, formatDay } from "../texts.js";

export const LISTS = ["schedule", "ticketTypes", "quotas", "promoCodes", "questions"];
// An event has at least one of these.
const REQUIRED = ["schedule", "ticketTypes"];

export const makeKey = () => `new-${crypto.randomUUID()}`;

const getPlace = (form, list) => form.querySelector(`[data-rows="${list}"]`);

// Returns what the form holds: its fields by their names, and a list of rows for each of LISTS.
export function readValues(form) {
  const values = Object.fromEntries(LISTS.map((list) => [list, []]));
  for (const input of form.elements) {
    if (!input.name || input.dataset.choice) continue;
    const { holder, field } = findHolder(values, input.name);
    holder[field] = input.type === "checkbox" ? input.checked : input.value;
  }
  for (const place of form.querySelectorAll("[data-choices]")) {
    const { holder, field } = findHolder(values, place.dataset.choices);
    holder[field] = readChosen(place);
  }
  return values;
}

function findHolder(values, name) {
  const [list, index, field] = name.split(".");
  if (field === undefined) return { holder: values, field: list };
  values[list][index] ||= {};
  return { holder: values[list][index], field };
}

// Fills the form with what `readValues` returns.
export function writeValues(form, values) {
  for (const input of form.elements) {
    if (input.name && !input.name.includes(".") && input.name in values) input.value = values[input.name];
  }
  for (const list of LISTS) {
    fill(getPlace(form, list));
    for (const row of values[list]) addRow(form, list, row);
  }
  refreshChoices(form);
}

// Adds a row at the end of a list, and returns its element.
export function addRow(form, list, row) {
  const element = byId(`row-${list}`).content.cloneNode(true).firstElementChild;
  for (const input of element.querySelectorAll("[name]")) writeInput(input, row);
  for (const place of element.querySelectorAll("[data-choices]")) {
    place.dataset.chosen = JSON.stringify(row[place.dataset.choices.split(".")[2]] || []);
  }
  getPlace(form, list).append(element);
  renumber(form, list);
  return element;
}

function writeInput(input, row) {
  const value = row[input.name.split(".")[2]];
  if (input.type === "checkbox") input.checked = Boolean(value);
  else if (value !== undefined) input.value = value ?? "";
}

export function removeRow(form, element) {
  const list = element.parentElement.dataset.rows;
  element.remove();
  renumber(form, list);
  refreshChoices(form);
}

// Names the inputs of the rows of a list by the places of the rows.
function renumber(form, list) {
  const rows = [...getPlace(form, list).children];
  const isOnly = REQUIRED.includes(list) && rows.length === 1;
  rows.forEach((row, index) => {
    for (const attribute of ["name", "id", "for", "data-choices", "aria-describedby"]) {
      for (const element of row.querySelectorAll(`[${attribute}^="${list}."]`)) {
        const value = element.getAttribute(attribute).replace(/^(\w+)\.(?:#|\d+)\./, `$1.${index}.`);
        element.setAttribute(attribute, value);
      }
    }
    row.querySelector("[data-number]").textContent = String(index + 1);
    row.querySelector("[data-remove]").hidden = isOnly;
  });
  showCount(form, list, rows.length);
}

function showCount(form, list, count) {
  const badge = form.querySelector(`[data-count="${list}"]`);
  if (!badge) return;
  badge.textContent = String(count);
  badge.hidden = !count;
}

function readChosen(place) {
  return JSON.parse(place.dataset.chosen || "[]");
}

// Offers the present dates and ticket types wherever a row refers to some of them.
export function refreshChoices(form) {
  const values = readValues(form);
  const options = {
    schedule: values.schedule.map((row, index) => [row.key, describeDate(row, index)]),
    ticketTypes: values.ticketTypes.map((row, index) => [row.key, describeType(row, index)]),
  };
  for (const place of form.querySelectorAll("[data-choices]")) showChoices(place, options[place.dataset.of]);
}

const describeDate = ({ date, startTime }, index) =>
  (date ? `${formatDay(date)} ${startTime}`.trim() : _("Date %(number)s", { number: index + 1 }));

const describeType = ({ type }, index) => type.trim() || _("Ticket type %(number)s", { number: index + 1 });

function showChoices(place, options) {
  const keys = options.map(([key]) => key);
  const chosen = readChosen(place).filter((key) => keys.includes(key));
  place.dataset.chosen = JSON.stringify(chosen);
  const name = place.dataset.choices;
  fill(place.querySelector('[data-part="choices"]'), options.map(([key, text]) => {
    const data = { choice: key };
    const input = h("input", { type: "checkbox", name, checked: chosen.includes(key), dataset: data });
    input.addEventListener("change", () => keepChosen(place));
    return h("label", { class: "choice" }, input, text);
  }));
}

function keepChosen(place) {
  const checked = place.querySelectorAll("[data-choice]:checked");
  place.dataset.chosen = JSON.stringify([...checked].map((input) => input.dataset.choice));
}
