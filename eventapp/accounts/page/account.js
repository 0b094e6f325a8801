// The pages that mailed links open: send the token or key of the link when the user asks for it.
"use strict";

const NO_TOKEN = "This link is not complete. Open it from the mail again.";
const OFFLINE = "The server does not answer. Check your connection and try again.";
const DIFFERENT = "The two passwords are not the same.";
const PASSWORD = "Enter the password of your account to verify this address.";
const BUSY = "Too many attempts. Wait some minutes and try again.";

const form = document.getElementById("form");
const message = document.getElementById("status");

// The name of the key that a form sends in the query; undefined if it sends a token in the body.
const keyName = form.dataset.key;

// Take the token out of the address bar, so that it is in no history and on no screenshot.
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get(keyName || "token") || "";
  history.replaceState(null, "", location.pathname);
  return token;
}

function show(text) {
  message.textContent = text;
}

// Return the text that explains a refusal: the faults of the fields, if there are any.
function describe(status, body) {
  if (status === 429) return BUSY;
  const faults = Object.values(body.errors || {}).flat();
  return faults.length ? faults.join(" ") : body.message;
}

function readInputs() {
  const inputs = [...form.querySelectorAll("input[name]:enabled")];
  return Object.fromEntries(inputs.map((input) => [input.name, input.value]));
}

function sendJson(path, content, accessToken) {
  const headers = { "Content-Type": "application/json" };
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  return fetch(path, { method: "POST", credentials: "omit", headers, body: JSON.stringify(content) });
}

// Log in for the call and out again. Return the answer to the call, or the refusal of the login.
async function postLoggedIn(token) {
  const login = await sendJson(form.dataset.logIn, readInputs());
  if (!login.ok) return login;
  const { accessToken } = await login.json();
  try {
    return await sendJson(form.dataset.call, { token }, accessToken);
  } finally {
    await sendJson(form.dataset.logOut, {}, accessToken);
  }
}

function post(token) {
  if (form.dataset.logIn) return postLoggedIn(token);
  if (!keyName) return sendJson(form.dataset.call, { token, ...readInputs() });
  const query = new URLSearchParams({ [keyName]: token });
  return fetch(`${form.dataset.call}?${query}`, { method: "POST", credentials: "omit" });
}

// Show the field for the password if the server asks for it; return whether it was hidden before.
function askForPassword(errors) {
  const part = document.getElementById("asked");
  if (!part || !part.hidden || !("password" in errors)) return false;
  const input = part.querySelector("input");
  part.hidden = input.disabled = false;
  input.focus();
  return true;
}

async function send(token) {
  let response, body;
  try {
    response = await post(token);
    body = await response.json();
  } catch {
    show(OFFLINE);
    return;
  }
  if (!response.ok) {
    show(askForPassword(body.errors || {}) ? PASSWORD : describe(response.status, body));
    return;
  }
  form.reset();
  form.hidden = true;
  show(form.dataset.done);
}

function start() {
  const token = takeToken();
  if (!token) {
    show(NO_TOKEN);
    return;
  }
  form.hidden = false;
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const repeated = document.getElementById("repeated");
    if (repeated && repeated.value !== document.getElementById("password").value) {
      show(DIFFERENT);
      return;
    }
    button.disabled = true;
    show("");
    await send(token);
    button.disabled = false;
  });
}

start();
// Another link of a mail that is opened in the same tab changes only the fragment.
window.addEventListener("hashchange", () => location.reload());
