"use strict";
// The dashboard signs in to the API and shows its figures. The tokens are stored only in this page
// and in sessionStorage, so that they are deleted when the tab is closed.

const byId = (id) => document.getElementById(id);
const STORAGE_KEY = "eventapp.dashboard";
let session = parseObject(sessionStorage.getItem(STORAGE_KEY) || "null");
let currency = "EUR";

function showStatus(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
  byId("retry").hidden = !(isError && session);
}

function storeSession(value) {
  session = value;
  if (value) sessionStorage.setItem(STORAGE_KEY, JSON.stringify(value));
  else sessionStorage.removeItem(STORAGE_KEY);
}

const TIMEOUT_MS = 20000;
const WORDS = {
  offline: "The server can't be reached. Check your connection and try again.",
  slow: "The server takes too long to answer. Try again in a moment.",
  busy: "The server is busy or restarting. Try again in a moment.",
  broken: "Something went wrong on the server. Try again later.",
  unreadable: "The answer of the server can't be read. Try again in a moment.",
  ended: "Your session has ended. Sign in again.",
  forbidden: "Only organizers and admins see figures.",
};

// Sends a request to the API and returns the body of the answer. Throws an Error in words for
// people, with the `status` of the answer, which is undefined if there was none.
async function request(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (session) headers.Authorization ??= `Bearer ${session.token}`;
  const [answer, text] = await fetchText(`/api${path}`, { ...options, headers });
  const body = parseObject(text);
  if (answer.ok && body) return body;
  throw Object.assign(new Error(describeFailure(answer, body || {})), { status: answer.status });
}

async function fetchText(url, options) {
  try {
    const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return [answer, await answer.text()];
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? WORDS.slow : WORDS.offline);
  }
}

// Returns the object in a JSON text, null if there is none: a proxy may answer with a page.
function parseObject(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function describeFailure(answer, body) {
  if (answer.ok) return WORDS.unreadable;
  if (answer.status === 429) return describeWait(Number(answer.headers.get("Retry-After")) || 60);
  if (answer.status === 401 && body.code !== "bad_credentials") return WORDS.ended;
  if (answer.status === 403) return WORDS.forbidden;
  if ([502, 503, 504].includes(answer.status)) return WORDS.busy;
  return answer.status < 500 && body.message ? body.message : WORDS.broken;
}

function describeWait(seconds) {
  const [count, unit] = seconds < 100 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return `Too many requests. Try again in ${count} ${unit}${count === 1 ? "" : "s"}.`;
}

// Sends a request like `request`. If the access token has expired, gets a new one first.
async function requestWithRefresh(path, options) {
  const usedToken = session?.token;
  try {
    return await request(path, options);
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    // Another request may have got new tokens in the meantime.
    if (session.token === usedToken) await refreshSession();
    return request(path, options);
  }
}

// Gets new tokens. Requests that need them at the same time share one call, because a refresh token
// works once. The session ends only if the server says so.
let refreshing = null;
function refreshSession() {
  refreshing ??= replaceTokens(session.refreshToken).finally(() => { refreshing = null; });
  return refreshing;
}

async function replaceTokens(refreshToken) {
  const headers = { Authorization: `Bearer ${refreshToken}` };
  const tokens = await post("/auth/refresh", { refreshToken }, headers);
  storeSession({ token: tokens.accessToken, refreshToken: tokens.refreshToken });
}

function post(path, body, headers = {}) {
  const sent = { "Content-Type": "application/json", ...headers };
  return request(path, { method: "POST", headers: sent, body: JSON.stringify(body) });
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
    ["Charged", formatMoney(figures.charged)],
    ["Refunded", formatMoney(figures.refunded)],
    ["Fees", formatMoney(figures.fees)],
    ["Net of refunds and fees", formatMoney(figures.net)],
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
  const rows = figures.points.map((p) => [p.start, formatMoney(p.revenue), formatNumber(p.bookings), formatNumber(p.tickets), formatNumber(p.cancelled), formatMoney(p.charged), formatMoney(p.refunded), formatMoney(p.fees), formatMoney(p.net)]);
  byId("points").replaceChildren(createTable(["From", "Revenue", "Bookings", "Tickets", "Cancelled", "Charged", "Refunded", "Fees", "Net"], rows));
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
  byId("sign-in").hidden = true;
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
  if (error.status === 401 || error.status === 403) storeSession(null);
  if (!session) showUser(null);
  showStatus(error.message, true);
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
byId("retry").addEventListener("click", () => run(load));
byId("sign-out").addEventListener("click", () => run(async () => {
  const headers = { "Content-Type": "application/json" };
  await requestWithRefresh("/auth/logout", { method: "POST", headers, body: "{}" }).finally(() => {
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
