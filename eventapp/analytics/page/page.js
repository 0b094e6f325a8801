"use strict";
// The dashboard signs in to the API and shows its figures. The tokens are stored only in this page
// and in sessionStorage, so that they are deleted when the tab is closed.

const byId = (id) => document.getElementById(id);
const STORAGE_KEY = "eventapp.dashboard";
let session = JSON.parse(sessionStorage.getItem(STORAGE_KEY) || "null");
let currency = "EUR";

function showStatus(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
}

function storeSession(value) {
  session = value;
  if (value) sessionStorage.setItem(STORAGE_KEY, JSON.stringify(value));
  else sessionStorage.removeItem(STORAGE_KEY);
}

// Sends a request to the API and returns the body of the answer. Throws an Error with a `status`.
async function request(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (session) headers.Authorization = `Bearer ${session.token}`;
  const answer = await fetch(`/api${path}`, { ...options, headers });
  const body = await answer.json();
  if (answer.ok) return body;
  throw Object.assign(new Error(body.message), { status: answer.status });
}

// Sends a GET request like `request`. If the access token has expired, gets a new one first.
async function requestWithRefresh(path) {
  try {
    return await request(path);
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    const refreshToken = session.refreshToken;
    session = null;
    const tokens = await post("/auth/refresh", { refreshToken });
    storeSession({ token: tokens.accessToken, refreshToken: tokens.refreshToken });
    return request(path);
  }
}

function post(path, body) {
  return request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

const formatNumber = (value) => new Intl.NumberFormat("en").format(Math.round(value * 100) / 100);
const formatMoney = (value) => new Intl.NumberFormat("en", { style: "currency", currency }).format(value);
const formatCompact = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
const formatPercent = (value) => `${formatNumber(value * 100)} %`;

function createElement(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function showOverview(figures) {
  currency = figures.currency;
  const terms = [
    ["Revenue", formatMoney(figures.revenue)],
    ["Tickets sold", formatNumber(figures.ticketsSold)],
    ["Confirmed bookings", formatNumber(figures.bookings.confirmed)],
    ["Cancelled", formatPercent(figures.cancellationRate)],
    ["Events", formatNumber(figures.events.total)],
    ["Sold of capacity", formatPercent(figures.utilization)],
    ["Tickets left", formatNumber(figures.available)],
    ["Waiting", `${formatNumber(figures.waitlist.entries)} for ${formatNumber(figures.waitlist.tickets)}`],
  ];
  byId("overview").replaceChildren(...terms.map(([term, value]) => {
    const pair = createElement("div");
    pair.append(createElement("dt", term), createElement("dd", value));
    return pair;
  }));
}

function createTable(titles, rows) {
  const table = createElement("table");
  const head = table.createTHead().insertRow();
  titles.forEach((title) => {
    const cell = createElement("th", title);
    cell.scope = "col";
    head.append(cell);
  });
  const body = table.createTBody();
  rows.forEach((row) => {
    const tableRow = body.insertRow();
    row.forEach((value) => { tableRow.insertCell().textContent = value; });
  });
  return table;
}

function showPeriod(figures) {
  byId("revenue").replaceChildren(createTimeChart(figures.points, "revenue", "line", formatCompact));
  byId("bookings").replaceChildren(createTimeChart(figures.points, "bookings", "bars", formatCompact));
  const rows = figures.points.map((p) => [p.start, formatMoney(p.revenue), formatNumber(p.bookings), formatNumber(p.tickets), formatNumber(p.cancelled)]);
  byId("points").replaceChildren(createTable(["From", "Revenue", "Bookings", "Tickets", "Cancelled"], rows));
}

// Shows a bar for each event. The functions return the value of an event, the value of a full bar,
// and the text beside the bar.
function showBars(id, events, { valueOf, maximumOf, textOf }) {
  const rows = events.map((event) => {
    const row = createElement("div", undefined, "row");
    const bar = createElement("progress");
    bar.max = maximumOf(event) || 1;
    bar.value = valueOf(event);
    bar.setAttribute("aria-label", `${event.title}: ${textOf(event)}`);
    row.append(createElement("span", event.title, "name"), createElement("span", textOf(event), "value"), bar);
    return row;
  });
  byId(id).replaceChildren(...(rows.length ? rows : [createElement("p", "No events yet.", "empty")]));
}

function showWaitlist(waitlist) {
  const rows = waitlist.events.map((event) => [event.title, formatNumber(event.entries), formatNumber(event.tickets), formatNumber(event.openOffers)]);
  const content = rows.length ? createTable(["Event", "People", "Tickets", "Open offers"], rows) : createElement("p", "Nobody waits.", "empty");
  byId("waitlist").replaceChildren(content);
}

async function loadPeriod() {
  const form = new FormData(byId("period"));
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  showPeriod(await requestWithRefresh(`/analytics/revenue?${new URLSearchParams({ ...Object.fromEntries(form), timezone })}`));
}

async function load() {
  showStatus("Loading");
  const user = await requestWithRefresh("/auth/profile");
  const [overview, best, fullest] = await Promise.all([
    requestWithRefresh("/analytics/overview"),
    requestWithRefresh("/analytics/events?sortBy=revenue&limit=5"),
    requestWithRefresh("/analytics/events?sortBy=utilization&limit=8"),
  ]);
  showOverview(overview);
  await loadPeriod();
  const highestRevenue = Math.max(...best.events.map((event) => event.revenue));
  showBars("best", best.events, {
    valueOf: (event) => event.revenue,
    maximumOf: () => highestRevenue,
    textOf: (event) => formatMoney(event.revenue),
  });
  showBars("capacity", fullest.events, {
    valueOf: (event) => event.sold,
    maximumOf: (event) => event.capacity,
    textOf: (event) => `${formatNumber(event.sold)} of ${formatNumber(event.capacity)}`,
  });
  showWaitlist(overview.waitlist);
  showUser(user);
  showStatus(`Figures of ${new Date().toLocaleTimeString("en")}`);
}

// Shows the figures and the name of the user, or the form to sign in if the user is null.
function showUser(user) {
  byId("sign-in").hidden = Boolean(user);
  byId("figures").hidden = byId("sign-out").hidden = byId("user").hidden = !user;
  if (user) byId("user").textContent = `${user.name} (${user.role})`;
}

function showError(error) {
  if (error.status === 401 || error.status === 403) {
    storeSession(null);
    showUser(null);
  }
  showStatus(error.status === 403 ? "Only organizers and admins see figures." : error.message, true);
}

// Runs an async function, and shows the error if it fails.
const run = (asyncFunction) => asyncFunction().catch(showError);

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  run(async () => {
    storeSession(null);
    const form = Object.fromEntries(new FormData(byId("sign-in")));
    byId("password").value = "";
    const tokens = await post("/auth/login", form);
    storeSession({ token: tokens.accessToken, refreshToken: tokens.refreshToken });
    await load();
    byId("main").focus();
  });
});
byId("period").addEventListener("submit", (event) => {
  event.preventDefault();
  run(loadPeriod);
});
byId("sign-out").addEventListener("click", () => run(async () => {
  await request("/auth/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).finally(() => {
    storeSession(null);
    showUser(null);
  });
  showStatus("Signed out.");
  byId("email").focus();
}));

// Returns the UTC date this number of days from today.
const MS_PER_DAY = 24 * 60 * 60 * 1000;
const dateFromToday = (days) => new Date(Date.now() + days * MS_PER_DAY).toISOString().slice(0, 10);
byId("period").elements.from.value = dateFromToday(-29);
byId("period").elements.to.value = dateFromToday(0);
if (session) run(load);
