// Counts down to a moment: in sight each second, and for screen readers at a few moments alone.

import { serverTime } from "./api.js";
import { fill, h } from "./dom.js";
import { _, ngettext } from "./texts.js";

// Seconds before the end at which screen readers are told.
const ANNOUNCED = [300, 120, 60, 30];

// Shows in `place` how long tickets are held, and calls `onEnd` once that is over.
// `end` is a time as the API writes it. Returns a function that stops the countdown.
export function startCountdown(place, end, onEnd) {
  const clock = h("strong", { class: "figure" });
  const spoken = h("span", { class: "visually-hidden", role: "status" });
  fill(place, h("span", { "aria-hidden": "true" }, _("Your tickets are held for"), " ", clock), spoken);
  const total = secondsUntil(end);
  let due = ANNOUNCED.filter((each) => each < total);
  announce(spoken, total);
  const show = () => {
    const left = secondsUntil(end);
    clock.textContent = formatClock(left);
    if (left <= due[0]) {
      announce(spoken, left);
      due = due.filter((each) => each < left);
    }
    if (left > 0) return;
    clearInterval(timer);
    onEnd();
  };
  const timer = setInterval(show, 1000);
  clock.textContent = formatClock(total);
  return () => clearInterval(timer);
}

function secondsUntil(end) {
  return Math.max(0, Math.ceil((new Date(end) - serverTime()) / 1000));
}

function announce(spoken, seconds) {
  const duration = seconds < 60
    ? ngettext("%(num)s second", "%(num)s seconds", seconds)
    : ngettext("%(num)s minute", "%(num)s minutes", Math.round(seconds / 60));
  spoken.textContent = _("Your tickets are held for %(duration)s.", { duration });
}

function formatClock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
