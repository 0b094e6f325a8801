// The dialog that duplicates an event on other dates.

import { call } from "../api.js";
import { byId, fill, h } from "../dom.js";
import { onSubmit } from "../forms.js";
import { _, formatDay, makeLink } from "../texts.js";
import { goTo } from "./frame.js";

const DAY_MS = 24 * 60 * 60 * 1000;

const addDays = (day, count) => new Date(Date.parse(day) + count * DAY_MS).toISOString().slice(0, 10);

// Lets the button "Duplicate" open the dialog, if the person may duplicate the event.
export function prepareDuplicate(event) {
  const dialog = byId("duplicate-dialog");
  if (!dialog) return;
  byId("duplicate").onclick = () => {
    fill(byId("duplicate-dates"), event.schedule.map(makeField));
    followFirst(event.schedule);
    dialog.showModal();
  };
  byId("duplicate-close").onclick = () => dialog.close();
  if (dialog.dataset.ready) return;
  dialog.dataset.ready = "true";
  onSubmit(byId("duplicate-form"), byId("duplicate-message"), () => send(event));
}

// The dates of the draft are a week later at first.
function makeField({ date }, index) {
  const name = `dates.${index}`;
  const label = _("In place of %(date)s", { date: formatDay(date) });
  const input = h("input", { id: name, name, type: "date", required: true, value: addDays(date, 7) });
  return h("div", { class: "field" }, h("label", { for: name }, label), input);
}

// Moves the other dates by as many days as the first one is moved.
function followFirst(schedule) {
  const [first, ...others] = byId("duplicate-dates").querySelectorAll("input");
  first.addEventListener("change", () => {
    if (!first.value) return;
    const moved = (Date.parse(first.value) - Date.parse(schedule[0].date)) / DAY_MS;
    others.forEach((input, index) => {
      input.value = addDays(schedule[index + 1].date, moved);
    });
  });
}

async function send(event) {
  const inputs = byId("duplicate-dates").querySelectorAll("input");
  const dates = [...inputs].map((input) => input.value);
  const made = await call("POST", `/events/${event.eventId}/duplicate`, { body: { dates } });
  goTo(makeLink(`/console/events/${made.eventId}`), _("This is the new draft. Publish it when it is ready."));
}
