// What a visitor has chosen of one event. It stays in the tab, so nothing is lost by signing in or reloading.

const EMPTY = { scheduleId: null, quantities: {}, code: "", people: {}, request: null, bookingId: null, isSigningIn: false, isKnown: false };

export class Selection {
  constructor(eventId) {
    this.storageKey = `booking.${eventId}`;
    Object.assign(this, structuredClone(EMPTY), this.read());
  }

  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.storageKey) || "{}");
    } catch {
      // Storage is switched off, or another version has written this. The form works without it.
      return {};
    }
  }

  keep() {
    const { storageKey, ...kept } = this;
    try {
      sessionStorage.setItem(storageKey, JSON.stringify(kept));
    } catch {
      // As above: storage may be switched off or full.
    }
  }

  // Forgets everything but the date, and that somebody is signed in.
  clear() {
    const { scheduleId, isKnown } = this;
    Object.assign(this, structuredClone(EMPTY), { scheduleId, isKnown });
    this.keep();
  }

  quantityOf(typeId) {
    return this.quantities[typeId] || 0;
  }

  setQuantity(typeId, quantity) {
    this.quantities[typeId] = quantity;
    this.keep();
  }

  // Forgets the tickets of types for which `isKnown` is false. Returns whether there were any.
  keepTypes(isKnown) {
    const lost = Object.keys(this.quantities).filter((typeId) => !isKnown(Number(typeId)));
    for (const typeId of lost) delete this.quantities[typeId];
    if (lost.length) this.keep();
    return lost.length > 0;
  }

  // Returns the tickets as the API names them.
  listItems() {
    return Object.entries(this.quantities)
      .filter(([, quantity]) => quantity > 0)
      .map(([typeId, quantity]) => ({ ticketTypeId: Number(typeId), quantity }));
  }

  // Returns who comes with the ticket of a type that has this index.
  personOf(typeId, index) {
    const people = (this.people[typeId] ||= []);
    return (people[index] ||= { name: "", email: "", answers: {} });
  }

  // Returns the Idempotency-Key of a request. The same request keeps its key until its outcome is known.
  keyOf(body) {
    const text = JSON.stringify(body);
    if (this.request?.text !== text) this.request = { text, key: crypto.randomUUID() };
    this.keep();
    return this.request.key;
  }

  dropKey() {
    this.request = null;
    this.keep();
  }
}
