// Keeps what is typed into the form of an event in this browser, until it is saved.
//
// So it survives a reload, a closed tab and an ended session. A kept form belongs to one account and one
// event, or to its next new event. A chosen photo is not kept.

const PREFIX = "event-form";
const VERSION = 1;

export class Draft {
  constructor(user, eventId) {
    this.user = user;
    this.moveTo(eventId);
  }

  // Keeps the form from now on as that of this event; null for a new one.
  moveTo(eventId) {
    const key = [PREFIX, VERSION, this.user, eventId ?? "new"].join(":");
    if (this.key && this.key !== key) localStorage.removeItem(this.key);
    this.key = key;
  }

  // Returns what is kept, as `keep` was given it; null if there is nothing.
  read() {
    const text = localStorage.getItem(this.key);
    return text && JSON.parse(text);
  }

  // `editCount` is that of the event when it was loaded, null for a new one.
  keep(values, editCount) {
    localStorage.setItem(this.key, JSON.stringify({ values, editCount }));
  }

  clear() {
    localStorage.removeItem(this.key);
  }
}
