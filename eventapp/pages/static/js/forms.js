// Sends forms by the API: shows what is refused beside its field, and loses nothing that was typed.
//
// A field is an input whose `name` is the path of its value in the body, such as `title` or
// `schedule.0.date`. The API names refused fields in the same way.

import { fill, h, showMessage } from "./dom.js";
import { describeFault } from "./failures.js";

// Calls `send` when the form is submitted, once at a time, and shows its failure in `message`.
// The form can be sent again after it failed.
export function onSubmit(form, message, send) {
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy) return;
    clearErrors(form);
    if (!checkInputs(form)) return;
    await whileBusy(form, async () => {
      showMessage(message, "");
      try {
        await send(event.submitter);
      } catch (error) {
        showFailure(form, message, error);
      }
    });
  });
}

// Runs an action of a button, once at a time, and shows its failure in `message`.
export function onClick(button, message, action) {
  button.addEventListener("click", async () => {
    if (button.dataset.busy) return;
    await whileBusy(button, async () => {
      showMessage(message, "");
      try {
        await action();
      } catch (error) {
        showMessage(message, describe(error), "bad");
      }
    });
  });
}

async function whileBusy(element, action) {
  element.dataset.busy = "true";
  element.setAttribute("aria-busy", "true");
  try {
    await action();
  } finally {
    delete element.dataset.busy;
    element.removeAttribute("aria-busy");
  }
}

function describe(error) {
  if (error.name !== "Error" && error.status === undefined) throw error;
  return error.message;
}

// Shows a failure: the sentences about fields beside them, the others in `message`.
export function showFailure(form, message, error) {
  const text = describe(error);
  const unplaced = [];
  let first = null;
  for (const [path, sentences] of Object.entries(flatten(error.errors || {}))) {
    const input = form.querySelector(`[name="${CSS.escape(path)}"]`);
    if (input) {
      showError(input, sentences.map(describeFault).join(" "));
      first ||= input;
    } else {
      unplaced.push(`${path}: ${sentences.join(" ")}`);
    }
  }
  showMessage(message, [text, ...unplaced].join(" "), "bad");
  if (first) first.focus();
  else message.scrollIntoView({ block: "nearest" });
}

// Returns the sentences of each field by its path, from errors that may be nested.
function flatten(errors, prefix = "") {
  const found = {};
  for (const [name, value] of Object.entries(errors)) {
    const path = prefix ? `${prefix}.${name}` : name;
    if (Array.isArray(value)) found[path] = value;
    else if (value && typeof value === "object") Object.assign(found, flatten(value, path));
    else found[path] = [String(value)];
  }
  return found;
}

// Shows the browser's own sentence beside each input that is not valid. Returns whether all are.
function checkInputs(form) {
  const refused = [...form.elements].filter((input) => input.willValidate && !input.checkValidity());
  for (const input of refused) showError(input, input.validationMessage);
  refused[0]?.focus();
  return !refused.length;
}

export function showError(input, text) {
  const id = `${input.id || input.name}-error`;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", id);
  const place = input.closest(".field") || input.parentElement;
  place.querySelector(".field-error")?.remove();
  place.append(h("p", { class: "field-error", id }, text));
  openAround(input);
}

// Opens what hides an input, so that it can have the focus.
function openAround(input) {
  for (let part = input.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
}

export function clearErrors(form) {
  for (const each of form.querySelectorAll(".field-error")) each.remove();
  for (const each of form.querySelectorAll("[aria-invalid]")) {
    each.removeAttribute("aria-invalid");
    each.removeAttribute("aria-describedby");
  }
}

// Asks in a dialog. Resolves to true if the person agrees.
export function confirmIn(dialog, { title, text, agree, keep }) {
  return new Promise((resolve) => {
    const answer = (value) => () => {
      dialog.close();
      resolve(value);
    };
    fill(
      dialog,
      h("h2", {}, title),
      h("p", {}, text),
      h("div", { class: "row" },
        h("button", { type: "button", class: "danger", onclick: answer(true) }, agree),
        h("button", { type: "button", onclick: answer(false) }, keep)),
    );
    dialog.addEventListener("cancel", () => resolve(false), { once: true });
    dialog.showModal();
  });
}
