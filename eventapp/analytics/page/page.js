"use strict";
// The dashboard: signs in by the API and shows its figures. The access token lives in this page and
// in sessionStorage alone, so it ends with the tab.

const $ = (id) => document.getElementById(id);
const KEY = "eventapp.dashboard";
let session = JSON.parse(sessionStorage.getItem(KEY) || "null");
let currency = "EUR";

function say(words, bad = false) {
  $("said").textContent = words;
  $("said").classList.toggle("bad", bad);
}

function keep(value) {
  session = value;
  if (value) sessionStorage.setItem(KEY, JSON.stringify(value));
  else sessionStorage.removeItem(KEY);
}

async function call(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (session) headers.Authorization = `Bearer ${session.token}`;
  const answer = await fetch(`/api${path}`, { ...options, headers });
  const body = await answer.json();
  if (answer.ok) return body;
  throw Object.assign(new Error(body.message), { status: answer.status });
}

// As `call`, with a new access token where the old one's time is over.
async function ask(path) {
  try {
    return await call(path);
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    const refreshToken = session.refreshToken;
    session = null;
    const fresh = await post("/auth/refresh", { refreshToken });
    keep({ token: fresh.accessToken, refreshToken: fresh.refreshToken });
    return call(path);
  }
}

function post(path, body) {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

const number = (value) => new Intl.NumberFormat("en").format(Math.round(value * 100) / 100);
const money = (value) => new Intl.NumberFormat("en", { style: "currency", currency }).format(value);
const short = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
const percent = (value) => `${number(value * 100)} %`;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showOverview(figures) {
  currency = figures.currency;
  const shown = [
    ["Revenue", money(figures.revenue)],
    ["Tickets sold", number(figures.ticketsSold)],
    ["Confirmed bookings", number(figures.bookings.confirmed)],
    ["Cancelled", percent(figures.cancellationRate)],
    ["Events", number(figures.events.total)],
    ["Sold of capacity", percent(figures.utilization)],
    ["Tickets left", number(figures.available)],
    ["Waiting", `${number(figures.waitlist.entries)} for ${number(figures.waitlist.tickets)}`],
  ];
  $("overview").replaceChildren(...shown.map(([term, value]) => {
    const pair = element("div");
    pair.append(element("dt", term), element("dd", value));
    return pair;
  }));
}

function table(titles, rows) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  titles.forEach((title) => {
    const cell = element("th", title);
    cell.scope = "col";
    head.append(cell);
  });
  const body = made.createTBody();
  rows.forEach((row) => {
    const line = body.insertRow();
    row.forEach((value) => { line.insertCell().textContent = value; });
  });
  return made;
}

function showPeriod(figures) {
  $("revenue").replaceChildren(timeChart(figures.points, "revenue", "line", short));
  $("bookings").replaceChildren(timeChart(figures.points, "bookings", "bars", short));
  const rows = figures.points.map((p) => [p.start, money(p.revenue), number(p.bookings), number(p.tickets), number(p.cancelled)]);
  $("points").replaceChildren(table(["From", "Revenue", "Bookings", "Tickets", "Cancelled"], rows));
}

function bars(place, events, value, most, written) {
  const rows = events.map((event) => {
    const row = element("div", undefined, "row");
    const bar = element("progress");
    bar.max = most || 1;
    bar.value = value(event);
    bar.setAttribute("aria-label", `${event.title}: ${written(event)}`);
    row.append(element("span", event.title, "name"), element("span", written(event), "value"), bar);
    return row;
  });
  $(place).replaceChildren(...(rows.length ? rows : [element("p", "No events yet.", "none")]));
}

function showWaitlist(waited) {
  const rows = waited.events.map((event) => [event.title, number(event.entries), number(event.tickets), number(event.openOffers)]);
  const shown = rows.length ? table(["Event", "People", "Tickets", "Open offers"], rows) : element("p", "Nobody waits.", "none");
  $("waitlist").replaceChildren(shown);
}

async function loadPeriod() {
  const form = new FormData($("period"));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  showPeriod(await ask(`/analytics/revenue?${new URLSearchParams({ ...Object.fromEntries(form), timezone: zone })}`));
}

async function load() {
  say("Loading");
  const user = await ask("/auth/profile");
  const person = user.user || user;
  const [overview, best, fullest] = await Promise.all([
    ask("/analytics/overview"),
    ask("/analytics/events?sortBy=revenue&limit=5"),
    ask("/analytics/events?sortBy=utilization&limit=8"),
  ]);
  showOverview(overview);
  await loadPeriod();
  bars("best", best.events, (e) => e.revenue, Math.max(...best.events.map((e) => e.revenue)), (e) => money(e.revenue));
  bars("capacity", fullest.events, (e) => e.sold, 1, (e) => `${number(e.sold)} of ${number(e.capacity)}`);
  fullest.events.forEach((e, index) => { $("capacity").querySelectorAll("progress")[index].max = e.capacity || 1; });
  showWaitlist(overview.waitlist);
  show(person);
  say(`Figures of ${new Date().toLocaleTimeString("en")}`);
}

function show(person) {
  $("sign-in").hidden = Boolean(person);
  $("figures").hidden = $("sign-out").hidden = $("who").hidden = !person;
  if (person) $("who").textContent = `${person.name} (${person.role})`;
}

function failed(error) {
  if (error.status === 401 || error.status === 403) {
    keep(null);
    show(null);
  }
  say(error.status === 403 ? "Only organizers and admins see figures." : error.message, true);
}

const run = (work) => work().catch(failed);

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  run(async () => {
    keep(null);
    const form = Object.fromEntries(new FormData($("sign-in")));
    $("password").value = "";
    const answer = await post("/auth/login", form);
    keep({ token: answer.accessToken, refreshToken: answer.refreshToken });
    await load();
    $("main").focus();
  });
});
$("period").addEventListener("submit", (event) => {
  event.preventDefault();
  run(loadPeriod);
});
$("sign-out").addEventListener("click", () => run(async () => {
  await call("/auth/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).finally(() => {
    keep(null);
    show(null);
  });
  say("Signed out.");
  $("email").focus();
}));

const day = (offset) => new Date(Date.now() + offset * 864e5).toISOString().slice(0, 10);
$("period").elements.from.value = day(-29);
$("period").elements.to.value = day(0);
if (session) run(load);
