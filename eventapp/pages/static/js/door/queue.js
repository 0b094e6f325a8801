// Sends check-ins to the server, each until it is answered. They are kept in IndexedDB, so they survive the
// end of the page and of the battery.
//
// Every check-in goes this way, also with a connection: it is kept first and sent second. The server
// recognizes one that it has by its ticket and `scannedAt`, and answers it the same, so sending it again
// after a lost answer is safe. For this the times of one phone rise strictly.
//
// A scan is `{id, eventId, ticketId, code, scannedAt, name, type, isLetIn, answeredAt, result, isProblem}`.
// `code` is null for a ticket that was chosen from the list. `isLetIn` says that the person was told "in"
// before the server had answered; if it then refuses the ticket, the scan is a problem to be shown.

import { ApiError } from "../api.js";
import { isEnd, markEnded, request } from "./access.js";
import * as database from "./database.js";

const BATCH = 100;
const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 60000;

export class Queue extends EventTarget {
  #scans = [];
  #waiters = new Map();
  #timer = null;
  #isSending = false;
  #failures = 0;
  #lastTime = 0;
  #batchSize = BATCH;
  isOnline = navigator.onLine;
  pausedUntil = 0; // Unix time in milliseconds, after a 429
  endedEvents = new Set(); // the eventIds of doors that the server refuses

  // Reads what is kept on this phone. Sending begins with `send`.
  async load() {
    this.#scans = await database.getAll("scans");
    this.#lastTime = Math.max(0, ...this.#scans.map((scan) => Date.parse(scan.scannedAt)));
    // Of a scan whose page ended before it was answered, the person may have been let in.
    for (const scan of this.waiting) scan.isLetIn = true;
  }

  get scans() {
    return this.#scans;
  }

  get waiting() {
    return this.#scans.filter((scan) => !scan.answeredAt);
  }

  // What is still to be sent of those who were told "in".
  get unsent() {
    return this.waiting.filter((scan) => scan.isLetIn);
  }

  get problems() {
    return this.#scans.filter((scan) => scan.isProblem);
  }

  // Keeps a check-in and sends it. Resolves to the scan, answered if the answer came in time.
  // `ticket` has `eventId`, `ticketId`, `code`, `name` and `type`.
  async add(ticket, waitMs) {
    const scan = { ...ticket, id: crypto.randomUUID(), scannedAt: this.#makeTime(), isLetIn: false };
    await database.put("scans", scan);
    this.#scans.push(scan);
    this.#changed();
    const answered = new Promise((resolve) => this.#waiters.set(scan.id, resolve));
    const limit = new Promise((resolve) => setTimeout(resolve, waitMs));
    this.send();
    await Promise.race([answered, limit]);
    this.#waiters.delete(scan.id);
    return scan;
  }

  #makeTime() {
    this.#lastTime = Math.max(Date.now(), this.#lastTime + 1);
    return new Date(this.#lastTime).toISOString();
  }

  // Notes that the person of a scan without an answer was let in.
  async letIn(scan) {
    scan.isLetIn = true;
    if (scan.answeredAt) await this.#settle(scan, scan.result);
    else await database.put("scans", scan);
    this.#changed();
  }

  // Forgets a scan: one that was not let in, or a problem that was read.
  async drop(scan) {
    this.#scans = this.#scans.filter((each) => each !== scan);
    await database.remove("scans", scan.id);
    this.#changed();
  }

  // Forgets answered scans of a ticket, or those that a newer list of an event contains.
  async forget({ ticketId = null, eventId = null, before = 0 }) {
    const isOld = (scan) => scan.answeredAt && !scan.isProblem
      && (ticketId ? scan.ticketId === ticketId : scan.eventId === eventId && scan.answeredAt < before);
    for (const scan of this.#scans.filter(isOld)) await this.drop(scan);
  }

  // Sends what waits, and goes on until nothing does. It is safe to call at any time.
  async send() {
    if (this.#isSending || Date.now() < this.pausedUntil) return;
    clearTimeout(this.#timer);
    this.#isSending = true;
    try {
      while (await this.#sendBatch());
      this.#failures = 0;
    } catch (error) {
      this.#wait(error);
    } finally {
      this.#isSending = false;
      this.#changed();
    }
  }

  // Sends the oldest scans of one event. Returns whether there were any.
  async #sendBatch() {
    const first = this.waiting.find((scan) => !this.endedEvents.has(scan.eventId));
    if (!first) return false;
    const door = await database.get("doors", first.eventId);
    const batch = this.waiting.filter((scan) => scan.eventId === first.eventId).slice(0, this.#batchSize);
    const scans = batch.map(({ code, ticketId, scannedAt }) => (code ? { code, scannedAt } : { ticketId, scannedAt }));
    try {
      if (door.endedAt) throw new ApiError("", 401);
      const { results } = await request(door, "POST", "/batch", { body: { scans } });
      this.isOnline = true;
      this.#batchSize = BATCH;
      for (const [index, scan] of batch.entries()) await this.#settle(scan, results[index]);
    } catch (error) {
      await this.#handleRefusal(error, door, batch);
    }
    return true;
  }

  async #handleRefusal(error, door, batch) {
    if (isEnd(error)) {
      this.endedEvents.add(door.eventId);
      await markEnded(door);
    } else if (error.status === 400 && batch.length === 1) {
      // A phone whose clock is decades off makes scans that no server takes. They must not stop the others.
      await this.#settle(batch[0], { status: "refused" });
    } else if (error.status === 400) {
      this.#batchSize = 1;
    } else {
      throw error;
    }
  }

  async #settle(scan, result) {
    if (!scan.answeredAt && this.#isClockBehind(scan, result)) {
      // The person stands here now, so after the undo; the clock of this phone says otherwise.
      this.#lastTime = Math.max(this.#lastTime, Date.parse(result.undoneAt)) + 1;
      Object.assign(scan, { scannedAt: new Date(this.#lastTime).toISOString(), isRetimed: true });
      await database.put("scans", scan);
      return;
    }
    const isProblem = scan.isLetIn && result.status !== "checked_in";
    Object.assign(scan, { answeredAt: Date.now(), result, isProblem });
    if (!this.#scans.includes(scan)) return; // It was dropped while it was sent.
    await database.put("scans", scan);
    this.#waiters.get(scan.id)?.(scan);
    this.dispatchEvent(new CustomEvent("answer", { detail: scan }));
  }

  // Returns whether a check-in of this moment was taken for one from before an undo.
  #isClockBehind(scan, result) {
    return result.status === "undone" && this.#waiters.has(scan.id) && !scan.isRetimed;
  }

  #wait(error) {
    if (!(error instanceof ApiError)) throw error;
    this.isOnline = error.status !== 0;
    let wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    if (error.status === 429) {
      wait = (error.retryAfter || 60) * 1000;
      this.pausedUntil = Date.now() + wait;
    }
    this.#timer = setTimeout(() => this.send(), wait + 50);
  }

  // Tries at once, as after the connection came back or the phone was paired again.
  async resume(eventId = null) {
    this.endedEvents.delete(eventId);
    this.#failures = 0;
    await this.send();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
