// Says in words what an outcome of check_in.js means, and in which tone: good, warn or bad.

import { _, formatDay, formatTime } from "../texts.js";

const ANSWERS = {
  in: ["good", _("Come in")],
  already: ["bad", _("Already in")],
  undone: ["bad", _("Not in: the check-in was undone")],
  refused: ["bad", _("Not valid")],
  unreadable: ["bad", _("This is no ticket")],
  other_event: ["bad", _("Ticket of another event")],
  forged: ["bad", _("Forged ticket")],
  unchecked: ["warn", _("Cannot be checked yet")],
  unknown: ["warn", _("Not in the list")],
  other_day: ["warn", _("Ticket of another day")],
};

// Returns `{tone, title, name, type, details, question}`. `question` is the text of the button by which the person
// at the door lets somebody in all the same. `fetchedAt` is the time of the list.
export function describe(outcome, fetchedAt) {
  const [tone, title] = ANSWERS[outcome.kind];
  const { name, type } = { ...outcome.scan?.result, ...outcome.row };
  const details = describeDetails(outcome, fetchedAt);
  const question = ["unknown", "other_day"].includes(outcome.kind) ? _("Let in all the same") : null;
  return { tone, title, name: name || "", type: type || "", details, question };
}

function describeDetails(outcome, fetchedAt) {
  switch (outcome.kind) {
    case "in":
      return outcome.isWaiting ? _("Kept on this phone. The server is told as soon as it can be reached.") : "";
    case "already":
      return describeEarlier(outcome.at, outcome.by);
    case "undone":
      return _("A manager has undone it at %(time)s. Scan again.", { time: describeTime(outcome.at) });
    case "refused":
      return _("The ticket was cancelled, or the server does not know it.");
    case "unreadable":
      return _("The code is not one of this site's tickets.");
    case "other_event":
      return _("It is not valid at this event.");
    case "forged":
      return _("The signature of the code is wrong. Nobody can buy such a ticket.");
    case "unchecked":
      return _("The list of tickets was not downloaded yet, and the server cannot be reached.");
    case "unknown":
      return _("The code is genuine, but the list of %(time)s does not have it. The ticket is new, or it was cancelled.",
        { time: describeTime(fetchedAt) });
    case "other_day":
      return _("It is for %(day)s.", { day: formatDay(outcome.date) });
    default:
      throw new Error(`no words for ${outcome.kind}`);
  }
}

// Says when, and if it is known by which device, a ticket was checked in before.
export function describeEarlier(at, by) {
  const time = describeTime(at);
  return by ? _("Since %(time)s, by %(device)s.", { time, device: by }) : _("Since %(time)s.", { time });
}

// Returns the time of day of a moment, with the day unless it is today.
export function describeTime(moment) {
  const date = new Date(moment);
  if (date.toDateString() === new Date().toDateString()) return formatTime(date);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((each) => String(each).padStart(2, "0"));
  return `${formatDay(day.join("-"))}, ${formatTime(date)}`;
}

// Says what the server answered later about a person who was let in without it.
export function describeProblem(scan) {
  const { status, checkedInAt, checkedInBy } = scan.result;
  const values = { time: describeTime(scan.scannedAt), earlier: checkedInAt ? describeTime(checkedInAt) : "" };
  if (status === "already_checked_in" && checkedInBy) {
    return _("Let in here at %(time)s, but was already in at %(earlier)s by %(device)s.", { ...values, device: checkedInBy });
  }
  if (status === "already_checked_in") return _("Let in here at %(time)s, but was already in at %(earlier)s.", values);
  if (status === "undone") return _("Let in here at %(time)s, but a manager undid the check-in later.", values);
  return _("Let in here at %(time)s, but the ticket is not valid: it was cancelled, or the server does not know it.", values);
}
