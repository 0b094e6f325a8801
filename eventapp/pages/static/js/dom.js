// Builds elements. Texts become text nodes, so nothing that a person has typed is read as HTML.

export const byId = (id) => document.getElementById(id);

// Returns an element. Properties: `class`, `dataset`, `on...` for listeners, others as attributes;
// those that are null, undefined or false are left out. Children: elements, texts, or lists of them.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

// Replaces what an element contains.
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

// Shows a message in an element with a live region. `kind` is "good", "bad", "warn" or empty.
export function showMessage(element, text, kind = "") {
  element.className = text ? `message ${kind}`.trim() : "";
  element.textContent = text;
}
