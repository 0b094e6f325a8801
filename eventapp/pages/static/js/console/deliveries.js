// The deliveries of a webhook with their last attempts, and sending one again.

import { call } from "../api.js";
import { fill, h, showMessage } from "../dom.js";
import { onClick } from "../forms.js";
import { _, formatNumber, ngettext } from "../texts.js";
import { describeMoment, makeBadge } from "./labels.js";
import { makeTable } from "./tables.js";

const STATES = {
  pending: [_("Not delivered yet"), "warn"],
  delivered: [_("Delivered"), "good"],
  failed: [_("Failed"), "bad"],
};
// By the error of an attempt: see docs/webhooks.md.
const FAILURES = {
  invalid_url: _("Nothing can be sent to this address."),
  host_not_found: _("The name of the receiver is not known."),
  address_refused: _("The address of the receiver is not public."),
  connection_failed: _("The receiver cannot be reached."),
  certificate_invalid: _("The certificate of the receiver is not valid."),
  tls_failed: _("The receiver does not speak https as it should."),
  connection_lost: _("The receiver ended the connection without an answer."),
  invalid_answer: _("The answer of the receiver cannot be read."),
  redirect: _("The receiver leads elsewhere. Enter its final address."),
  timed_out: _("The receiver did not answer in time."),
  unreadable_secret: _("The secret cannot be read any more. Make a new one."),
};
const MOST_SHOWN = 50;
// How often and how long a new delivery is asked for until its first attempt is over.
const [PAUSE_MS, PATIENCE_MS] = [1000, 20000];

// Returns {show, follow} for the deliveries of a webhook: `path` is that of the webhook.
export function makeDeliveries(place, path, message) {
  const show = async () => {
    const { deliveries, nextCursor } = await call("GET", `${path}/deliveries`, { query: { limit: MOST_SHOWN } });
    const titles = [_("What"), _("When"), _("State"), _("Last attempt"), _("Actions")];
    const table = makeTable(_("Deliveries"), titles, deliveries.map(makeCells));
    fill(place, h("h4", {}, nextCursor ? _("The latest deliveries") : _("Deliveries of the last 30 days")),
      deliveries.length ? table : h("p", {}, _("Nothing was delivered yet.")));
  };
  const follow = async (deliveryId, attempts = 0) => {
    const delivery = await waitForAttempt(path, deliveryId, attempts, message);
    await show();
    showMessage(message, ...describeOutcome(delivery));
  };
  const replay = async ({ deliveryId, attempts }) => {
    await call("POST", `${path}/deliveries/${deliveryId}/replay`);
    await follow(deliveryId, attempts);
  };
  const makeCells = (delivery) => [
    delivery.type, describeMoment(delivery.createdAt), makeState(delivery), makeAttempt(delivery.lastAttempt),
    makeReplay(delivery, message, replay),
  ];
  return { show, follow };
}

// Returns a delivery once it was attempted more than `attempts` times, or null after a while.
async function waitForAttempt(path, deliveryId, attempts, message) {
  showMessage(message, _("Sending"));
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    const { deliveries } = await call("GET", `${path}/deliveries`);
    const found = deliveries.find((each) => each.deliveryId === deliveryId);
    if (found && found.attempts > attempts && found.lastAttempt) return found;
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
  }
  return null;
}

function describeOutcome(delivery) {
  if (!delivery) return [_("It is not sent yet. Look at the deliveries in a moment."), "warn"];
  if (delivery.status === "delivered") return [_("The receiver has taken it."), "good"];
  return [_("The delivery failed. %(reason)s", { reason: describeAttempt(delivery.lastAttempt) }), "bad"];
}

function describeAttempt({ status, error }) {
  if (error) return FAILURES[error] || error;
  return _("The receiver answered with the status %(status)s.", { status });
}

function makeState({ status, attempts, nextAttemptAt }) {
  const [text, kind] = STATES[status] || [status, ""];
  return [
    makeBadge(text, kind),
    h("div", { class: "quiet small" }, ngettext("%(num)s attempt", "%(num)s attempts", attempts)),
    nextAttemptAt && h("div", { class: "quiet small" }, _("next %(moment)s", { moment: describeMoment(nextAttemptAt) })),
  ];
}

function makeAttempt(attempt) {
  if (!attempt) return "–";
  return [
    describeAttempt(attempt),
    h("div", { class: "quiet small" }, _("%(number)s ms", { number: formatNumber(attempt.durationMs) })),
    attempt.answer && h("details", {}, h("summary", {}, _("Answer")), h("pre", {}, attempt.answer)),
  ];
}

function makeReplay(delivery, message, replay) {
  if (delivery.erased) return h("span", { class: "quiet small" }, _("Its personal data was erased."));
  const button = h("button", { type: "button" }, _("Send again"));
  onClick(button, message, () => replay(delivery));
  return button;
}
