// Who comes with each ticket: name, email, and the answers to the questions of the event.

import { h } from "../dom.js";
import { _ } from "../texts.js";

// Returns the fields of all chosen tickets. Without a required question they are folded away, as nothing in
// them has to be filled in.
export function showPeople(shop, selection) {
  // Types that a code unlocks are known as soon as the code was asked for.
  const items = selection.listItems().filter(({ ticketTypeId }) => shop.findType(ticketTypeId));
  const groups = items.flatMap(({ ticketTypeId, quantity }) =>
    Array.from({ length: quantity }, (_each, index) => showPerson(shop, selection, ticketTypeId, index, quantity)));
  if (!groups.length) return [];
  if (isNeeded(shop, selection)) return [h("h3", {}, _("Who comes")), ...groups];
  const isFilled = selection.listItems().some(({ ticketTypeId }) => (selection.people[ticketTypeId] || []).some((each) => each?.name));
  return [h("details", { open: isFilled }, h("summary", {}, _("Names of who comes (optional)")), ...groups)];
}

function isNeeded(shop, selection) {
  return selection.listItems().some(({ ticketTypeId }) => requires(shop, ticketTypeId));
}

function requires(shop, typeId) {
  return shop.questionsOf(typeId).some((question) => question.required);
}

function showPerson(shop, selection, typeId, index, quantity) {
  const person = selection.personOf(typeId, index), type = shop.findType(typeId);
  const key = `${typeId}-${index}`, isRequired = requires(shop, typeId);
  const keep = (change) => (event) => {
    change(event.target.value);
    selection.keep();
  };
  const legend = quantity > 1 ? _("%(type)s, ticket %(number)s", { type: type.type, number: index + 1 }) : type.type;
  return h("fieldset", { class: "person", dataset: { person: key } },
    h("legend", {}, legend),
    showField(`person-${key}-name`, _("Name"), isRequired, (id) => h("input", {
      id, dataset: { part: "name" }, maxlength: 100, required: isRequired, autocomplete: "off", value: person.name,
      oninput: keep((value) => { person.name = value; }),
    })),
    showField(`person-${key}-email`, _("Email address"), false, (id) => h("input", {
      id, type: "email", dataset: { part: "email" }, maxlength: 254, autocomplete: "off", value: person.email,
      oninput: keep((value) => { person.email = value; }),
    })),
    shop.questionsOf(typeId).map((question) => showField(
      `person-${key}-${question.questionId}`, question.label, question.required,
      (id) => showAnswer(question, id, person, keep))));
}

function showField(id, label, isRequired, makeInput) {
  return h("div", { class: "field" },
    h("label", { for: id }, label, !isRequired && h("span", { class: "quiet small" }, " ", _("(optional)"))),
    makeInput(id));
}

function showAnswer(question, id, person, keep) {
  const { questionId, kind, required } = question;
  const properties = {
    id, required, dataset: { part: `answers.${questionId}` }, value: person.answers[questionId] ?? "",
    oninput: keep((value) => { person.answers[questionId] = value; }),
  };
  if (kind === "date") return h("input", { ...properties, type: "date" });
  if (kind === "text") return h("input", { ...properties, maxlength: 500 });
  const options = kind === "boolean" ? [["true", _("Yes")], ["false", _("No")]] : question.choices.map((each) => [each, each]);
  const select = h("select", properties,
    h("option", { value: "" }, _("Choose…")),
    options.map(([value, text]) => h("option", { value }, text)));
  select.value = properties.value;
  return select;
}

// Returns the attendees as the API takes them, and names the inputs as the API names refused fields.
// Of a type, those up to the last one with a name are sent.
export function collectAttendees(shop, selection, form) {
  const attendees = [];
  for (const { ticketTypeId, quantity } of selection.listItems()) {
    const people = Array.from({ length: quantity }, (_each, index) => selection.personOf(ticketTypeId, index));
    const filled = people.map(isFilled).lastIndexOf(true) + 1;
    const count = requires(shop, ticketTypeId) ? quantity : filled;
    people.slice(0, count).forEach((person, index) => {
      nameInputs(form, `${ticketTypeId}-${index}`, attendees.length);
      attendees.push(makeAttendee(shop, ticketTypeId, person));
    });
  }
  return attendees;
}

function isFilled(person) {
  return Boolean(person.name.trim() || person.email.trim() || Object.values(person.answers).some(Boolean));
}

function nameInputs(form, key, number) {
  for (const input of form.querySelectorAll(`[data-person="${key}"] [data-part]`)) {
    input.name = `attendees.${number}.${input.dataset.part}`;
  }
}

function makeAttendee(shop, ticketTypeId, person) {
  const answers = {};
  for (const { questionId, kind } of shop.questionsOf(ticketTypeId)) {
    const value = person.answers[questionId];
    if (value) answers[questionId] = kind === "boolean" ? value === "true" : value.trim();
  }
  const attendee = { ticketTypeId, name: person.name.trim(), answers };
  return person.email.trim() ? { ...attendee, email: person.email.trim() } : attendee;
}
