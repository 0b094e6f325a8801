// The point of a date on the map: pasted coordinates, a link of OpenStreetMap, or the own position.
//
// No map is shown, because the pages load nothing from other sites: a link leads to one.

import { _ } from "../texts.js";

const NUMBER = String.raw`(-?\d{1,3}(?:\.\d+)?)`;
// How latitude and longitude are written, the most precise first.
const FORMS = [
  new RegExp(String.raw`mlat=${NUMBER}&(?:amp;)?mlon=${NUMBER}`),
  new RegExp(String.raw`#map=[\d.]+/${NUMBER}/${NUMBER}`),
  new RegExp(String.raw`^\s*(?:geo:)?${NUMBER}\s*[,; ]\s*${NUMBER}`),
];
const POSITION_TIMEOUT_MS = 15000;

// Returns [latitude, longitude] of a text, or null.
export function parsePoint(text) {
  for (const form of FORMS) {
    const found = text.match(form);
    if (!found) continue;
    const [lat, lng] = [Number(found[1]), Number(found[2])];
    if (Math.abs(lat) <= 90 && Math.abs(lng) <= 180) return [lat, lng];
  }
  return null;
}

const find = (row, field) => row.querySelector(`[name$=".${field}"]`);

function setPoint(row, [lat, lng]) {
  for (const [field, value] of [["lat", lat], ["lng", lng]]) {
    find(row, field).value = value.toFixed(6).replace(/\.?0+$/, "");
  }
  find(row, "lat").dispatchEvent(new Event("input", { bubbles: true }));
}

// Lets a row of a date take its point from what is pasted, and from the position of the browser.
export function followPoint(row) {
  const pasted = row.querySelector("[data-point]");
  const status = row.querySelector('[data-part="position"]');
  pasted.addEventListener("input", () => {
    const point = parsePoint(pasted.value);
    status.textContent = point || !pasted.value.trim() ? "" : _("No coordinates are found in this text.");
    if (point) setPoint(row, point);
  });
  row.querySelector("[data-position]").addEventListener("click", () => usePosition(row, status));
  for (const field of ["lat", "lng"]) find(row, field).addEventListener("input", () => showLink(row));
  showLink(row);
}

function usePosition(row, status) {
  status.textContent = _("Looking for your position…");
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      status.textContent = "";
      setPoint(row, [coords.latitude, coords.longitude]);
    },
    () => {
      status.textContent = _("Your browser does not tell your position. Paste coordinates instead.");
    },
    { timeout: POSITION_TIMEOUT_MS, maximumAge: POSITION_TIMEOUT_MS },
  );
}

function showLink(row) {
  const link = row.querySelector("[data-map]");
  const [lat, lng] = ["lat", "lng"].map((field) => find(row, field).value);
  link.hidden = lat === "" || lng === "";
  const query = new URLSearchParams({ mlat: lat, mlon: lng });
  link.href = `https://www.openstreetmap.org/?${query}#map=16/${Number(lat)}/${Number(lng)}`;
}
