// Shows the answer to a scan on the whole screen: by colour, sign, words, sound and vibration.

import { byId, fill, h } from "../dom.js";
import { _ } from "../texts.js";
import { signal } from "./signals.js";

const SIGNS = { good: "✓", warn: "?", bad: "✕" };
const GOOD_MS = 2500; // how long a good answer stays if nobody touches the screen

// Shows an answer of answers.js. Resolves once it is closed: to true if the person at the door lets somebody in
// all the same, else to false.
export function showAnswer({ tone, title, name, type, details, question }) {
  const dialog = byId("answer");
  dialog.className = `answer ${tone}`;
  const next = h("button", { type: "button", class: "answer-button", value: "" }, _("Next"));
  const force = question && h("button", { type: "button", class: "answer-button" }, question);
  fill(dialog,
    h("p", { class: "sign", "aria-hidden": "true" }, SIGNS[tone]),
    h("h2", { id: "answer-title" }, title),
    h("div", { id: "answer-text" },
      name && h("p", { class: "answer-name" }, name),
      type && h("p", { class: "answer-type" }, type),
      details && h("p", {}, details)),
    h("div", { class: "answer-buttons" }, force, next));
  signal(tone);
  return new Promise((resolve) => {
    const timer = tone === "good" ? setTimeout(() => dialog.close(), GOOD_MS) : null;
    dialog.onclose = () => {
      clearTimeout(timer);
      resolve(dialog.returnValue === "force");
    };
    dialog.returnValue = "";
    next.onclick = () => dialog.close();
    if (force) force.onclick = () => dialog.close("force");
    dialog.showModal();
    next.focus();
  });
}
