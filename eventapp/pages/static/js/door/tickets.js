// The tickets of the event: downloaded from the server, and kept for when there is no connection.
//
// A row is `{ticketId, type, name, scheduleId, date, startsAt, checkedInAt}`, as GET /events/:id/check-in has
// it, and `isOwn`: whether this phone has checked it in. Scans that the list does not know of are applied to it.

import { request } from "./access.js";
import * as database from "./database.js";

const collator = new Intl.Collator();

export class Tickets {
  constructor(eventId) {
    this.eventId = eventId;
    this.rows = new Map();
    this.publicKey = null;
    this.fetchedAt = null; // Unix time in milliseconds
  }

  // Reads the list that is kept on this phone.
  async load(scans) {
    const stored = await database.get("lists", this.eventId);
    if (stored) this.#replace(stored, scans);
  }

  // Downloads the list and keeps it. `scans` are those of this phone.
  async download(door, scans) {
    const fetchedAt = Date.now();
    const { publicKey, tickets } = await request(door, "GET", "", { timeout: 60000 });
    const list = { eventId: this.eventId, publicKey, tickets, fetchedAt };
    await database.put("lists", list);
    this.#replace(list, scans);
  }

  #replace({ publicKey, tickets, fetchedAt }, scans) {
    this.publicKey = publicKey;
    this.fetchedAt = fetchedAt;
    const rows = tickets.map((row) => ({ ...row, found: fold(row.name || "") }));
    // Sorted once, because the list is drawn after every scan.
    rows.sort((one, other) => collator.compare(one.found, other.found) || collator.compare(one.ticketId, other.ticketId));
    this.rows = new Map(rows.map((row) => [row.ticketId, row]));
    for (const scan of scans) if (scan.eventId === this.eventId) this.apply(scan);
  }

  // Notes a check-in that the list may not know of: one that waits, or was answered since the download.
  apply(scan) {
    const row = this.rows.get(scan.ticketId);
    if (!row || row.checkedInAt) return;
    const isNewer = scan.answeredAt > this.fetchedAt && scan.result.checkedInAt;
    if (!scan.answeredAt && scan.isLetIn) row.checkedInAt = scan.scannedAt;
    else if (isNewer) row.checkedInAt = scan.result.checkedInAt;
    row.isOwn = Boolean(row.checkedInAt);
  }

  // Returns the rows that match a typed text, all of them for an empty one, in the order of the names.
  search(text, day) {
    const words = fold(text).split(/\s+/).filter(Boolean);
    const matches = (row) => words.every((word) => row.found.includes(word) || row.ticketId.startsWith(word));
    return [...this.rows.values()].filter((row) => isOfDay(row, day) && matches(row));
  }

  // Returns `{type, total, in}` for each type, in the order of their names.
  count(day) {
    const counts = new Map();
    for (const row of this.rows.values()) {
      if (!isOfDay(row, day)) continue;
      const count = counts.get(row.type) || { type: row.type, total: 0, in: 0 };
      count.total += 1;
      if (row.checkedInAt) count.in += 1;
      counts.set(row.type, count);
    }
    return [...counts.values()].sort((one, other) => one.type.localeCompare(other.type));
  }

  // Returns the days that there are tickets for, earliest first.
  get days() {
    return [...new Set([...this.rows.values()].map((row) => row.date))].sort();
  }
}

// Returns whether a ticket is for a day; without one, every ticket is.
export function isOfDay(row, day) {
  return !day || row.date === day;
}

// Returns a text as names are compared: without accents, in lower case, with one form of sigma.
export function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ς", "σ");
}
