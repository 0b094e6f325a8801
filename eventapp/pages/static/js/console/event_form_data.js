// Converts between an event of the API and the values of its form, which are texts.

const OPTIONAL_NUMBERS = ["minPerBooking", "maxPerBooking", "maxPerUser"];

const toText = (value) => (value === undefined || value === null ? "" : String(value));
const toNumber = (text) => (text === "" ? null : Number(text));

// Returns a time of the API as an input of the kind `datetime-local` has it, in the zone of the browser.
export function toLocalTime(moment) {
  if (!moment) return "";
  const time = new Date(moment);
  const local = new Date(time - time.getTimezoneOffset() * 60000).toISOString();
  return time.getSeconds() ? local.slice(0, 19) : local.slice(0, 16);
}

const toMoment = (text) => (text ? new Date(text).toISOString() : null);

export const makeTypeKey = (id) => `type-${id}`;
export const makeDateKey = (id) => `date-${id}`;

// Returns the values of the form for an event, its quotas and its promo codes.
export function toValues(event, quotas, promoCodes) {
  const { title, description, category, organizer, image } = event;
  return {
    title, description, category, organizer, image,
    tags: event.tags.join(", "),
    schedule: event.schedule.map(toDateRow),
    ticketTypes: event.ticketTypes.map(toTypeRow),
    quotas: quotas.map(toQuotaRow),
    promoCodes: promoCodes.map(toCodeRow),
    questions: (event.questions || []).map(toQuestionRow),
  };
}

export function toDateRow(entry) {
  const { scheduleId, date, timezone, location } = entry;
  const row = { key: makeDateKey(scheduleId), scheduleId, date, timezone, location };
  for (const name of ["startTime", "endTime", "doorsTime", "lat", "lng"]) row[name] = toText(entry[name]);
  return row;
}

// `availableTickets` of a row holds all tickets of the type, also those that are sold and held.
function toTypeRow(type) {
  const row = {
    key: makeTypeKey(type.ticketTypeId),
    ticketTypeId: type.ticketTypeId,
    taken: countTaken(type),
    type: type.type,
    price: String(type.price),
    availableTickets: String(type.capacity),
    description: toText(type.description),
    visibility: type.visibility || "public",
    salesFrom: toLocalTime(type.salesFrom),
    salesUntil: toLocalTime(type.salesUntil),
  };
  for (const name of OPTIONAL_NUMBERS) row[name] = toText(type[name]);
  return row;
}

export const countTaken = (type) => type.soldTickets + type.heldTickets;

const toKeys = (ids, makeKey) => (ids || []).map(makeKey);

function toQuotaRow({ quotaId, name, capacity, ticketTypeIds, scheduleIds }) {
  return {
    quotaId, name,
    capacity: String(capacity),
    ticketTypeIds: toKeys(ticketTypeIds, makeTypeKey),
    scheduleIds: toKeys(scheduleIds, makeDateKey),
  };
}

function toCodeRow(code) {
  return {
    ...code,
    value: String(code.value),
    maxUses: toText(code.maxUses),
    validFrom: toLocalTime(code.validFrom),
    validUntil: toLocalTime(code.validUntil),
    ticketTypeIds: toKeys(code.ticketTypeIds, makeTypeKey),
    unlocks: toKeys(code.unlocks, makeTypeKey),
  };
}

function toQuestionRow(question) {
  return {
    ...question,
    choices: (question.choices || []).join("\n"),
    ticketTypeIds: toKeys(question.ticketTypeIds, makeTypeKey),
  };
}

// Returns the body of the event. `taken` holds the sold and held tickets by ticketTypeId.
// Without `withQuestions`, the questions are left out, which keeps those that the event has.
export function toEventBody(values, taken, withQuestions) {
  const { title, description, category, organizer, image } = values;
  const body = {
    title, description, category, organizer, image,
    tags: splitTags(values.tags),
    schedule: values.schedule.map(toEntry),
    ticketTypes: values.ticketTypes.map((row) => toType(row, taken)),
  };
  if (withQuestions) body.questions = values.questions.map((row) => toQuestion(row, values));
  return body;
}

const splitTags = (text) => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];

function toEntry(row) {
  const entry = { date: row.date, timezone: row.timezone.trim(), location: row.location };
  if (row.scheduleId) entry.scheduleId = Number(row.scheduleId);
  for (const name of ["startTime", "endTime", "doorsTime"]) entry[name] = row[name] || null;
  for (const name of ["lat", "lng"]) if (row[name] !== "") entry[name] = Number(row[name]);
  return entry;
}

function toType(row, taken) {
  const type = {
    type: row.type,
    price: toNumber(row.price),
    availableTickets: toNumber(row.availableTickets) - (taken[row.ticketTypeId] || 0),
    description: row.description || null,
    salesFrom: toMoment(row.salesFrom),
    salesUntil: toMoment(row.salesUntil),
    visibility: row.visibility,
  };
  if (row.ticketTypeId) type.ticketTypeId = Number(row.ticketTypeId);
  for (const name of OPTIONAL_NUMBERS) type[name] = toNumber(row[name]);
  return type;
}

// Returns the ids of the rows with these keys, or null for none.
function toIds(keys, rows, field) {
  const ids = rows.filter((row) => keys.includes(row.key)).map((row) => Number(row[field]));
  return ids.length ? ids : null;
}

export const namesNewType = (keys, values) =>
  values.ticketTypes.some((row) => !row.ticketTypeId && keys.includes(row.key));

function toQuestion(row, values) {
  const question = {
    label: row.label,
    kind: row.kind,
    required: row.required,
    ticketTypeIds: toIds(row.ticketTypeIds, values.ticketTypes, "ticketTypeId"),
  };
  if (row.questionId) question.questionId = Number(row.questionId);
  if (row.kind === "choice") question.choices = row.choices.split("\n").map((each) => each.trim()).filter(Boolean);
  return question;
}

export function toQuota(row, values) {
  return {
    name: row.name,
    capacity: toNumber(row.capacity),
    ticketTypeIds: toIds(row.ticketTypeIds, values.ticketTypes, "ticketTypeId"),
    scheduleIds: toIds(row.scheduleIds, values.schedule, "scheduleId"),
  };
}

export function toPromoCode(row, values) {
  return {
    code: row.code.trim(),
    kind: row.kind,
    value: toNumber(row.value),
    maxUses: toNumber(row.maxUses),
    validFrom: toMoment(row.validFrom),
    validUntil: toMoment(row.validUntil),
    ticketTypeIds: toIds(row.ticketTypeIds, values.ticketTypes, "ticketTypeId"),
    unlocks: toIds(row.unlocks, values.ticketTypes, "ticketTypeId"),
    active: row.active,
  };
}
