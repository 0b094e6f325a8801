// Draws what has changed. What has not keeps its elements, and so the focus and a touch that has begun.

import { fill } from "../dom.js";

// Replaces what an element contains by `make()`, unless it was last called with the same key.
export function redraw(element, key, make) {
  if (element.dataset.drawn === key) return;
  element.dataset.drawn = key;
  fill(element, make());
}
