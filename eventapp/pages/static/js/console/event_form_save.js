// Saves the form of an event by the API, in steps: the event, its quotas and promo codes, its photo.
//
// What a step has made gets its id in the form, so that saving again after a failure makes nothing
// twice. A new event is a draft until all steps have succeeded.

import { ApiError, call } from "../api.js";
import { _ } from "../texts.js";
import { countTaken, namesNewType, toEventBody, toPromoCode, toQuota, toValues } from "./event_form_data.js";

const PHOTO_TIMEOUT_MS = 120000;

// Somebody else has changed the event since it was loaded.
export class Changed extends Error {}

// The event as the form knows it: `eventId` (null before it is made), `event`, `quotas`, `promoCodes`.
export class Stored {
  constructor(eventId) {
    this.eventId = eventId;
    this.event = null;
    this.quotas = [];
    this.promoCodes = [];
  }

  get path() {
    return `/events/${this.eventId}`;
  }

  // Reads it anew. `isOverwriting` accepts what somebody else has changed meanwhile.
  async load(isOverwriting = true) {
    const [event, { quotas }, { promoCodes }] = await Promise.all([
      call("GET", this.path), call("GET", `${this.path}/quotas`), call("GET", `${this.path}/promo-codes`),
    ]);
    if (!isOverwriting && event.__v !== this.event.__v) throw new Changed();
    Object.assign(this, { event, quotas, promoCodes });
  }

  toValues() {
    return toValues(this.event, this.quotas, this.promoCodes);
  }
}

// Saves what the form holds.
//
// values: what `readValues` has returned
// setField(name, value): writes the id of something new into the form
// organizerId: whose event a new one is; photo: a chosen file, or null; intent: "publish" or another
// progress(text): is told of each step
export async function saveEvent(stored, values, { setField, organizerId, photo, photoSaved, intent, progress, isOverwriting }) {
  progress(_("Saving the event…"));
  if (stored.eventId) await stored.load(isOverwriting);
  try {
    await removeParts(stored, values);
    await writeEvent(stored, values, organizerId, setField);
    progress(_("Saving limits and codes…"));
    await saveParts(stored, values, setField);
    if (photo) {
      progress(_("Sending the photo…"));
      await sendPhoto(stored, photo);
      photoSaved();
    }
    if (intent === "publish") await call("POST", `${stored.path}/publish`);
  } catch (error) {
    await noteOwnSteps(stored);
    throw error;
  }
}

// Reads the event after a step has failed. The steps before it have raised its edit count, which must not
// look like a change by somebody else when the form is sent again.
async function noteOwnSteps(stored) {
  if (!stored.eventId) return;
  try {
    await stored.load();
  } catch (error) {
    // The failure of the step is what the person has to read.
    if (error.status === undefined) throw error;
  }
}

async function writeEvent(stored, values, organizerId, setField) {
  // A question can name a new ticket type only after the type has an id.
  const namesNew = values.questions.some((row) => namesNewType(row.ticketTypeIds, values));
  await sendEvent(stored, values, organizerId, !namesNew);
  setIds(stored.event, values, setField);
  if (namesNew) await sendEvent(stored, values, organizerId, true);
  await correctCapacities(stored, values);
}

async function sendEvent(stored, values, organizerId, withQuestions) {
  const types = stored.event?.ticketTypes || [];
  const taken = Object.fromEntries(types.map((type) => [type.ticketTypeId, countTaken(type)]));
  const body = toEventBody(values, taken, withQuestions);
  refuseTooFew(body, taken);
  if (stored.eventId) {
    stored.event = await call("PUT", stored.path, { body });
    return;
  }
  const owner = organizerId ? { organizerId } : {};
  stored.event = await call("POST", "/events", { body: { ...body, ...owner, status: "draft" } });
  stored.eventId = stored.event.eventId;
}

function refuseTooFew(body, taken) {
  const errors = {};
  body.ticketTypes.forEach((type, index) => {
    const least = taken[type.ticketTypeId];
    if (type.availableTickets < 0) {
      errors[`ticketTypes.${index}.availableTickets`] = [_("%(count)s are sold or held already.", { count: least })];
    }
  });
  if (Object.keys(errors).length) throw new ApiError(_("Some fields need your attention."), 400, { errors });
}

function setIds(event, values, setField) {
  event.ticketTypes.forEach((type, index) => setId(values, "ticketTypes", index, "ticketTypeId", type.ticketTypeId, setField));
  event.schedule.forEach((entry, index) => setId(values, "schedule", index, "scheduleId", entry.scheduleId, setField));
  (event.questions || []).forEach((question) => {
    const index = values.questions.findIndex((row) => row.label.trim() === question.label);
    if (index >= 0) setId(values, "questions", index, "questionId", question.questionId, setField);
  });
}

function setId(values, list, index, field, id, setField) {
  values[list][index][field] = id;
  setField(`${list}.${index}.${field}`, id);
}

// PUT sets how many tickets are left. If some were sold just before, that made too many: correct it.
async function correctCapacities(stored, values) {
  for (const [index, type] of stored.event.ticketTypes.entries()) {
    const capacity = Number(values.ticketTypes[index].availableTickets);
    if (type.capacity !== capacity) {
      stored.event = await call("PATCH", `${stored.path}/ticket-types/${type.ticketTypeId}`, { body: { capacity } });
    }
  }
}

const PARTS = [
  { list: "quotas", id: "quotaId", path: "quotas", toBody: toQuota },
  { list: "promoCodes", id: "codeId", path: "promo-codes", toBody: toPromoCode },
];

// Deletes the quotas and codes that are not in the form any more.
async function removeParts(stored, values) {
  for (const { list, id, path } of PARTS) {
    const kept = values[list].map((row) => Number(row[id]));
    for (const part of stored[list]) {
      if (!kept.includes(part[id])) await call("DELETE", `${stored.path}/${path}/${part[id]}`);
    }
  }
}

async function saveParts(stored, values, setField) {
  const before = stored.toValues();
  for (const part of PARTS) {
    for (const [index, row] of values[part.list].entries()) {
      const former = before[part.list].find((each) => each[part.id] === Number(row[part.id]));
      await named(`${part.list}.${index}`, () => savePart(stored, values, part, index, former && part.toBody(former, before), setField));
    }
  }
}

async function savePart(stored, values, part, index, former, setField) {
  const row = values[part.list][index];
  const body = part.toBody(row, values);
  const path = `${stored.path}/${part.path}`;
  if (!row[part.id]) {
    const made = await call("POST", path, { body });
    setId(values, part.list, index, part.id, made[part.id], setField);
  } else if (JSON.stringify(body) !== JSON.stringify(former)) {
    await call("PATCH", `${path}/${row[part.id]}`, { body });
  }
}

// Runs a call, and lets the fields of its refusal be those of a row of the form.
async function named(prefix, send) {
  try {
    return await send();
  } catch (error) {
    if (error.errors && Object.keys(error.errors).length) error.errors = { [prefix]: error.errors };
    throw error;
  }
}

async function sendPhoto(stored, photo) {
  const form = new FormData();
  form.append("file", photo);
  try {
    stored.event = await call("PUT", `${stored.path}/image`, { form, timeout: PHOTO_TIMEOUT_MS });
  } catch (error) {
    if (error.status === undefined) throw error;
    const text = _("Everything else is saved, but the photo was not accepted: %(reason)s", { reason: error.message });
    throw new ApiError(text, error.status, { code: error.code });
  }
}
