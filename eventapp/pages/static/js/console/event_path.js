// The path of the calls about the event of the page.

import { event } from "./frame.js";

export const eventPath = `/events/${event.id}`;
