// Calls the JSON API for the person who is signed in on this page.
//
// The page's cookie buys an access token (POST /account/token), which is kept in this module's memory
// alone. A call whose token has expired is repeated once with a new one. What goes wrong is thrown as an
// ApiError, whose message is in a person's words.

import { describeFailure, OFFLINE, SLOW, UNREADABLE } from "./failures.js";

const TIMEOUT_MS = 20000, CLOCK_ERROR_MS = 3000;
// The source of tokens; pages of one booking have another one.
let source = "/account/token";
let held = null;
// How far the server's clock is ahead of the browser's, in milliseconds.
let clockLead = 0;
// The request for a token that is under way, which all calls wait for.
let asking = null;

// A refused or failed call. `status` is 0 without an answer, `code` and `errors` are those of the API.
export class ApiError extends Error {
  constructor(message, status = 0, body = {}, retryAfter = null) {
    super(message);
    this.status = status;
    this.code = body.code || "";
    this.errors = body.errors || {};
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

// Takes tokens from another address of this site than /account/token.
export function useTokensOf(path) {
  source = path;
  held = null;
  asking = null;
}

// Returns the time by the server's clock, as far as an answer has told it.
export function serverTime() {
  return Date.now() + clockLead;
}

// Returns who is signed in, as `user` of POST /account/token; null if nobody is.
export async function loadUser() {
  try {
    return (await getToken()).user;
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

// Returns the JSON of an answer. Throws an ApiError.
// `path` begins after /api; options: `body` (sent as JSON), `form` (a FormData), `query`, `headers`,
// `anonymous` (true: send no token), `signal`, `timeout` in milliseconds.
export async function call(method, path, options = {}) {
  const response = await send(method, path, options);
  return response.status === 204 ? null : readJson(response);
}

// Returns an answer that is not JSON, such as a file. Throws an ApiError.
export async function callForFile(method, path, options = {}) {
  return (await send(method, path, options)).blob();
}

async function send(method, path, options) {
  let response = await sendOnce(method, path, options);
  if (response.status === 401 && held && !options.anonymous) {
    held = null;
    response = await sendOnce(method, path, options);
  }
  if (response.ok) return response;
  throw await makeError(response);
}

async function sendOnce(method, path, options) {
  const headers = { Accept: "application/json", ...options.headers };
  if (!options.anonymous) headers.Authorization = `Bearer ${(await getToken()).accessToken}`;
  let body = options.form;
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  const query = new URLSearchParams(
    Object.entries(options.query || {}).filter(([, value]) => value !== null && value !== undefined && value !== ""),
  );
  return fetchInTime(`/api${path}${query.size ? `?${query}` : ""}`, {
    method, headers, body, credentials: "omit", signal: options.signal,
  }, options.timeout);
}

function getToken() {
  if (held && held.renewAt > Date.now()) return held;
  asking ??= requestToken().finally(() => { asking = null; });
  return asking;
}

async function requestToken() {
  const response = await fetchInTime(source, { method: "POST", headers: { Accept: "application/json" } });
  if (!response.ok) throw await makeError(response);
  const answer = await readJson(response);
  const lifetime = new Date(answer.expiresAt) - Date.now();
  // Renewed a little early; with a wrong clock in the browser, for each minute.
  held = { ...answer, renewAt: Date.now() + Math.max(60000, lifetime - 60000) };
  return held;
}

async function fetchInTime(url, options, timeout = TIMEOUT_MS) {
  const limit = AbortSignal.timeout(timeout);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  try {
    const response = await fetch(url, { ...options, signal });
    // An answer to GET may be an old one from a cache.
    const date = options.method === "GET" ? null : response.headers.get("Date");
    if (date) noteClock(new Date(date));
    return response;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(error.name === "TimeoutError" ? SLOW : OFFLINE);
  }
}

// The header has whole seconds, so a small difference says nothing.
function noteClock(date) {
  const lead = date - Date.now();
  clockLead = Math.abs(lead) < CLOCK_ERROR_MS ? 0 : lead;
}

async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new ApiError(error.name === "TimeoutError" ? SLOW : UNREADABLE, response.status);
  }
}

async function makeError(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy may answer with a page. The status says enough.
  }
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  return new ApiError(describeFailure(response.status, body, retryAfter), response.status, body, retryAfter);
}
