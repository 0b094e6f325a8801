// How the console shows the status of an event.

import { h } from "../dom.js";
import { _ } from "../texts.js";

const NAMES = {
  draft: _("Draft"),
  published: _("Published"),
  cancelled: _("Cancelled"),
  completed: _("Over"),
};
const KINDS = { draft: "warn", published: "good", cancelled: "bad", completed: "" };

export function makeStatusBadge(status) {
  return h("span", { class: `badge ${KINDS[status]}`.trim() }, NAMES[status]);
}
