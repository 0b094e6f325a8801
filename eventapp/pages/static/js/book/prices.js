// The sums of what is chosen, as the server computes them, with the discount of a promo code.

import { call } from "../api.js";
import { fill, h, showMessage } from "../dom.js";
import { _, formatAmount } from "../texts.js";

const TYPING_MS = 250;
const CODE_REFUSALS = ["promo_not_found", "promo_exhausted", "promo_not_applicable"];

export class Prices {
  // `view` has the elements `sums` and `codeMessage`. `onUnlock` is called when the unlocked types have changed.
  constructor(shop, selection, view, onUnlock) {
    Object.assign(this, { shop, selection, view, onUnlock, quote: null, number: 0, hasFailed: false });
  }

  // Asks for the prices of what is chosen, a moment after the last change.
  update() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), TYPING_MS);
  }

  async load() {
    const number = (this.number += 1);
    const items = this.selection.listItems(), code = this.selection.code;
    this.hasFailed = false;
    showMessage(this.view.codeMessage, "");
    if (!items.length && !code) {
      this.show(null);
      return;
    }
    let quote;
    try {
      quote = await this.ask(items, code);
    } catch (error) {
      if (number !== this.number) return;
      this.hasFailed = true;
      this.show(null);
      showMessage(this.view.codeMessage, error.message, "warn");
      return;
    }
    if (number === this.number) this.show(quote);
  }

  // Returns a quote; one without the code if the code is refused.
  async ask(items, code) {
    const { scheduleId } = this.selection;
    const path = `/events/${this.shop.eventId}/quote`;
    const body = scheduleId === null ? { items } : { items, scheduleId };
    try {
      return await call("POST", path, { body: code ? { ...body, promoCode: code } : body, anonymous: true });
    } catch (error) {
      if (!code || !CODE_REFUSALS.includes(error.code)) throw error;
      showMessage(this.view.codeMessage, error.message, "bad");
      this.unlock([]);
      const open = this.selection.listItems();
      return open.length ? call("POST", path, { body: { ...body, items: open }, anonymous: true }) : null;
    }
  }

  show(quote) {
    this.quote = quote;
    if (quote) this.unlock(quote.unlockedTypes || (this.selection.code ? this.shop.unlocked : []));
    else if (!this.selection.code) this.unlock([]);
    if (quote?.discount) {
      const amount = formatAmount(quote.discount, quote.currency);
      showMessage(this.view.codeMessage, _("The code saves you %(amount)s.", { amount }), "good");
    } else if (quote?.unlockedTypes) {
      showMessage(this.view.codeMessage, _("The code shows you further tickets above."), "good");
    }
    fill(this.view.sums, quote?.items.length ? this.showSums(quote) : null);
  }

  // Shows the types that the code unlocks, and forgets tickets of those that it unlocks no more.
  unlock(types) {
    const isSame = JSON.stringify(types) === JSON.stringify(this.shop.unlocked);
    this.shop.unlocked = types;
    const isForgotten = this.selection.keepTypes((id) => this.shop.findType(id));
    if (!isSame || isForgotten) this.onUnlock();
  }

  showSums(quote) {
    const amount = (value) => formatAmount(value, quote.currency);
    const line = (name, value, className) => h("div", { class: className || "line" }, h("dt", {}, name), h("dd", { class: "figure" }, value));
    return h("dl", { class: "sums" },
      quote.items.map((item) => line(`${item.quantity} × ${this.shop.findType(item.ticketTypeId)?.type || ""}`, amount(item.subtotal))),
      quote.discount > 0 && line(_("Discount"), `−${amount(quote.discount)}`),
      line(_("Total"), amount(quote.total), "line total"));
  }

  // What is to pay, as far as it is known.
  get total() {
    if (this.quote) return this.quote.total;
    return this.selection.listItems().reduce((sum, { ticketTypeId, quantity }) => sum + (this.shop.findType(ticketTypeId)?.price || 0) * quantity, 0);
  }
}
