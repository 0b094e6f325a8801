// The part of the payment form for the provider that moves no money: the buyer has nothing to enter.

import { fill, h } from "./dom.js";
import { _ } from "./texts.js";

export const needsSecret = false;

// Shows the part of the provider. See pay.js for what it returns.
export async function openProvider(place) {
  fill(place, h("p", { class: "quiet small" }, _("Payments are simulated on this site: no money moves.")));
  return { pay: async () => null, close() {} };
}
