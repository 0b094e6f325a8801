// What can be booked of an event: its dates, its ticket types, and how many tickets are left of each.

import { call } from "../api.js";

const PAGE_ROWS = 100, MAX_PAGES = 20;
const LIVE_DELAY_MS = 2000;

export class Shop {
  // `settings` are the data attributes of the form.
  constructor(settings) {
    this.eventId = Number(settings.eventId);
    this.currency = settings.currency;
    this.maxTickets = Number(settings.maxTickets);
    this.rows = new Map();
    this.unlocked = [];
  }

  async load() {
    [this.event] = await Promise.all([call("GET", `/events/${this.eventId}`, { anonymous: true }), this.refresh()]);
  }

  // Reads how many tickets are left.
  async refresh() {
    const rows = new Map();
    let cursor = null;
    for (let page = 0; page < MAX_PAGES && (page === 0 || cursor); page += 1) {
      const query = { limit: PAGE_ROWS, cursor };
      const answer = await call("GET", `/events/${this.eventId}/availability`, { query, anonymous: true });
      for (const row of answer.availability) rows.set(`${row.scheduleId} ${row.ticketTypeId}`, row);
      cursor = answer.nextCursor;
    }
    this.rows = rows;
  }

  // The ticket types: those that everyone sees, and those that the code has unlocked.
  get types() {
    return [...this.event.ticketTypes, ...this.unlocked];
  }

  // The dates that can be booked, soonest first.
  get dates() {
    const bookable = new Set([...this.rows.values()].map((row) => row.scheduleId));
    // Without a type that everyone sees, nothing is known of the dates but the days.
    const today = new Date().toISOString().slice(0, 10);
    const isOpen = (entry) => (bookable.size ? bookable.has(entry.scheduleId) : entry.date >= today);
    const begin = (entry) => `${entry.date} ${entry.startTime || ""}`;
    return this.event.schedule
      .filter(isOpen)
      .sort((one, other) => begin(one).localeCompare(begin(other)));
  }

  findType(typeId) {
    return this.types.find((each) => each.ticketTypeId === typeId);
  }

  // What is left of a type for a date: `availableTickets` and `saleState`.
  rowOf(scheduleId, type) {
    const isUnlocked = this.unlocked.includes(type);
    return this.rows.get(`${scheduleId} ${type.ticketTypeId}`)
      || (isUnlocked ? type : { availableTickets: 0, saleState: "ended" });
  }

  // The most tickets of a type that one booking may have now.
  mostOf(scheduleId, type) {
    return Math.min(this.rowOf(scheduleId, type).availableTickets, type.maxPerBooking || Infinity, this.maxTickets);
  }

  // The questions that are asked of who comes with a ticket of a type.
  questionsOf(typeId) {
    const isAsked = (question) => !question.ticketTypeIds || question.ticketTypeIds.includes(typeId);
    return (this.event.questions || []).filter(isAsked);
  }

  // Calls `onChange` after tickets were sold or came back. Many sales are one change.
  watch(onChange) {
    if (this.stream) return;
    this.stream = new EventSource(`/api/events/${this.eventId}/stream`);
    let timer = null, isFirst = true;
    this.stream.addEventListener("availability", () => {
      if (isFirst) {
        isFirst = false;
        return;
      }
      timer ||= setTimeout(async () => {
        timer = null;
        await onChange();
      }, LIVE_DELAY_MS * (0.5 + Math.random()));
    });
    addEventListener("pagehide", () => this.stream.close(), { once: true });
  }
}
