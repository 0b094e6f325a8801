// Writes the times of a page in the zone of the browser. The server does not know it.

import { formatMoment } from "../texts.js";

export function localizeTimes() {
  for (const each of document.querySelectorAll("time[datetime]")) each.textContent = formatMoment(each.dateTime);
}
