// The page of the door: pairs the phone, and connects the list, the camera, the queue and what is shown of them.

import { byId, h, showMessage } from "../dom.js";
import { confirmIn } from "../forms.js";
import { _, formatTime, makeLink, ngettext } from "../texts.js";
import * as access from "./access.js";
import { describe, describeProblem } from "./answers.js";
import { CheckIn } from "./check_in.js";
import { ListView } from "./list_view.js";
import { startPairing } from "./pairing_view.js";
import { Queue } from "./queue.js";
import { redraw } from "./redraw.js";
import { showAnswer } from "./result_dialog.js";
import { ScanView } from "./scan_view.js";
import { Tickets } from "./tickets.js";
import { registerWorker } from "./worker_setup.js";

const REFRESH_MS = 60000;
const LARGE = 2000; // A list of more tickets is a megabyte and more, so it is downloaded less often.
const LARGE_REFRESH_MS = 300000;

const queue = new Queue();
let door;
let tickets;
let listView;
let checkIn;
let refreshing = null;
let isRenderDue = false;

// Downloads the list, once at a time. Resolves to whether that succeeded.
function refresh() {
  refreshing ||= download().finally(() => {
    refreshing = null;
    render();
  });
  return refreshing;
}

async function download() {
  try {
    await tickets.download(door, queue.scans);
  } catch (error) {
    if (error.status === undefined) throw error;
    if (error.status === 0) queue.isOnline = false;
    if (access.isEnd(error)) {
      queue.endedEvents.add(door.eventId);
      await access.markEnded(door);
    }
    return false;
  }
  queue.isOnline = true;
  queue.endedEvents.delete(door.eventId);
  await queue.forget({ eventId: door.eventId, before: tickets.fetchedAt });
  return true;
}

async function refreshForever() {
  const wait = tickets.rows.size > LARGE ? LARGE_REFRESH_MS : REFRESH_MS;
  await new Promise((resolve) => setTimeout(resolve, wait));
  if (!document.hidden && !queue.endedEvents.has(door.eventId)) await refresh();
  refreshForever();
}

// Shows the outcome of `attempt`, which is run again if the person at the door decides to let somebody in.
async function handle(attempt) {
  showMessage(byId("notice"), "");
  const outcome = await attempt(false);
  render();
  if (await showAnswer(describe(outcome, tickets.fetchedAt))) await handle(() => attempt(true));
}

function render() {
  if (isRenderDue) return;
  isRenderDue = true;
  // Many scans may be answered at once.
  queueMicrotask(() => {
    isRenderDue = false;
    listView.render();
    renderConnection();
    renderProblems();
  });
}

function renderConnection() {
  const unsent = queue.unsent.length;
  const pause = Math.ceil((queue.pausedUntil - Date.now()) / 1000);
  const isEnded = queue.endedEvents.has(door.eventId);
  byId("online").hidden = !queue.isOnline;
  byId("offline").hidden = queue.isOnline;
  byId("ended").hidden = !isEnded;
  byId("ended-device").hidden = !door.secret;
  byId("ended-manager").hidden = Boolean(door.secret);
  byId("list-time").textContent = tickets.fetchedAt
    ? _("List of %(time)s", { time: formatTime(tickets.fetchedAt) }) : _("No list yet");
  byId("waiting").textContent = unsent
    ? ngettext("%(num)s scan waits to be sent.", "%(num)s scans wait to be sent.", unsent) : "";
  byId("pause").textContent = pause > 0
    ? ngettext("The server asks to wait %(num)s second. Scans are kept meanwhile.",
      "The server asks to wait %(num)s seconds. Scans are kept meanwhile.", pause) : "";
}

function renderProblems() {
  const { problems } = queue;
  byId("problems").hidden = !problems.length;
  redraw(byId("problem-list"), problems.map((scan) => scan.id).join(), () => problems.map((scan) =>
    h("li", { class: "card" },
      h("p", {}, h("strong", {}, scan.name || _("No name")), scan.type && `, ${scan.type}`),
      h("p", {}, describeProblem(scan)),
      h("button", { type: "button", onclick: () => queue.drop(scan) }, _("Seen")))));
}

async function openDoor(opened) {
  door = opened;
  tickets = new Tickets(door.eventId);
  await tickets.load(queue.scans);
  checkIn = new CheckIn({ eventId: door.eventId, tickets, queue, refresh });
  listView = new ListView({
    tickets,
    checkIn,
    onCheckIn: (row) => handle((isForced) => checkIn.admit(row.ticketId, null, isForced)),
    onUndone: async (row) => {
      await queue.forget({ ticketId: row.ticketId });
      Object.assign(row, { checkedInAt: null, isOwn: false });
      await refresh();
    },
  });
  const scanView = new ScanView((text) => handle((isForced) => checkIn.scan(text, isForced)));
  connectPage(scanView);
  showDoor();
  render();
  queue.resume(door.eventId);
  await refresh();
  refreshForever();
  await scanView.startIfAllowed();
}

function showDoor() {
  byId("opening").hidden = true;
  byId("pairing").hidden = true;
  byId("door").hidden = false;
  byId("door-title").textContent = door.title;
  byId("door-name").textContent = door.name || _("Signed in as a manager");
  byId("ended-sign-in").href = makeLink("/account/sign-in", { next: `/door?event=${door.eventId}` });
  document.title = `${door.title} · ${_("Door")}`;
}

function connectPage(scanView) {
  queue.addEventListener("change", render);
  queue.addEventListener("answer", ({ detail }) => {
    tickets.apply(detail);
    // The list of this phone is wrong about somebody.
    if (detail.isProblem) refresh();
  });
  for (const button of document.querySelectorAll("[data-opens]")) {
    button.addEventListener("click", () => showView(button.dataset.opens, scanView));
  }
  byId("refresh").addEventListener("click", refreshByHand);
  byId("forget").addEventListener("click", forgetDoor);
  addEventListener("online", () => queue.resume().then(refresh));
  addEventListener("offline", () => {
    queue.isOnline = false;
    render();
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  addEventListener("beforeunload", (event) => {
    if (queue.waiting.length) event.preventDefault();
  });
  setInterval(renderConnection, 1000);
}

function showView(name, scanView) {
  byId("door").dataset.view = name;
  for (const button of document.querySelectorAll("[data-opens]")) {
    if (button.dataset.opens === name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  if (name !== "scan" && matchMedia("(max-width: 55.99rem)").matches) scanView.stop();
}

async function refreshByHand() {
  await queue.resume();
  const isDone = await refresh();
  showMessage(byId("notice"), isDone ? _("The list is up to date.") : _("The list cannot be downloaded now."), isDone ? "good" : "warn");
}

async function forgetDoor() {
  const count = queue.waiting.filter(({ eventId }) => eventId === door.eventId).length;
  const isSure = !count || (await confirmIn(byId("confirm"), {
    title: _("End the door on this phone"),
    text: ngettext("%(num)s scan was not sent yet, and would be deleted.",
      "%(num)s scans were not sent yet, and would be deleted.", count),
    agree: _("Delete and end"),
    keep: _("Keep"),
  }));
  if (!isSure) return;
  await access.forget(door);
  for (const scan of queue.scans.filter(({ eventId }) => eventId === door.eventId)) await queue.drop(scan);
  location.replace(makeLink("/door"));
}

async function start() {
  registerWorker(!location.hash);
  navigator.storage?.persist?.();
  try {
    await queue.load();
  } catch {
    byId("opening").textContent = _("This browser keeps nothing, so the door does not open. Use no private window, and free some storage.");
    return;
  }
  startPairing(openDoor);
}

start();
