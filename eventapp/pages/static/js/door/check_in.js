// Decides what a scan or a choice from the list means, and has it checked in. Nothing is shown here.
//
// What is decided is an outcome `{kind, row, scan, at, by, date}`. Its kinds: `in`; `already`; `undone`;
// `refused` (the server knows no such ticket, or it was cancelled); `unreadable`, `other_event`, `forged` and
// `unchecked` (no list was downloaded yet), which the phone sees by itself; `unknown` and `other_day`, which
// the person at the door has to decide.

import { isGenuine, parseCode } from "./codes.js";
import { isOfDay } from "./tickets.js";

const WAIT_MS = 2500; // for the server's answer, before the phone decides by itself
const OF_STATUS = { checked_in: "in", already_checked_in: "already", undone: "undone" };

export class CheckIn {
  // `refresh` downloads the list again, and resolves to whether it could.
  constructor({ eventId, tickets, queue, refresh }) {
    Object.assign(this, { eventId, tickets, queue, refresh, day: null });
  }

  // Returns the outcome of a code. With `isForced`, the person at the door has decided already.
  async scan(text, isForced = false) {
    const parsed = parseCode(text);
    if (!parsed) return { kind: "unreadable" };
    if (parsed.eventId !== String(this.eventId)) return { kind: "other_event" };
    if (!this.tickets.publicKey && !(await this.refresh())) return { kind: "unchecked" };
    if (!(await isGenuine(parsed, this.tickets.publicKey))) return { kind: "forged" };
    return this.admit(parsed.ticketId, parsed.code, isForced);
  }

  // Returns the outcome of a ticket whose code was verified, or that was chosen from the list (`code` null).
  async admit(ticketId, code = null, isForced = false) {
    let row = this.tickets.rows.get(ticketId);
    if (!row && this.queue.isOnline && (await this.refresh())) row = this.tickets.rows.get(ticketId);
    else if (!row && !isForced) return { kind: "unknown" };
    if (row && !isForced && !isOfDay(row, this.day)) return { kind: "other_day", row, date: row.date };
    if (row?.checkedInAt && !this.queue.isOnline) return { kind: "already", row, at: row.checkedInAt };
    return this.#send(row, ticketId, code);
  }

  async #send(row, ticketId, code) {
    const ticket = { eventId: this.eventId, ticketId, code, name: row?.name ?? null, type: row?.type ?? null };
    const isAsked = this.queue.isOnline && Date.now() > this.queue.pausedUntil;
    const scan = await this.queue.add(ticket, isAsked ? WAIT_MS : 0);
    if (scan.answeredAt) return this.#makeOutcome(row, scan);
    if (row?.checkedInAt) {
      await this.queue.drop(scan);
      return { kind: "already", row, at: row.checkedInAt };
    }
    await this.queue.letIn(scan);
    this.tickets.apply(scan);
    return { kind: "in", row, scan, at: scan.scannedAt, isWaiting: true };
  }

  #makeOutcome(row, scan) {
    const { status, checkedInAt, checkedInBy, undoneAt } = scan.result;
    this.tickets.apply(scan);
    return { kind: OF_STATUS[status] || "refused", row, scan, at: checkedInAt || undoneAt, by: checkedInBy };
  }
}
