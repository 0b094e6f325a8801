// Keeps what the door needs without a connection in IndexedDB, where it outlives the page.
//
// Stores: `doors`, the access to an event (see access.js); `lists`, its tickets as they were downloaded;
// `scans`, who was checked in on this phone and how the server answered; `settings`, by name.

const NAME = "door";
const VERSION = 1;
const KEYS = { doors: "eventId", lists: "eventId", scans: "id", settings: "name" };
let opened = null;

function open() {
  opened ||= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [store, keyPath] of Object.entries(KEYS)) request.result.createObjectStore(store, { keyPath });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

// Runs one request in a transaction of its own. Resolves when the transaction is on the disk.
async function run(store, mode, makeRequest) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode, { durability: mode === "readwrite" ? "strict" : "default" });
    const request = makeRequest(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const get = (store, key) => run(store, "readonly", (each) => each.get(key));
export const getAll = (store) => run(store, "readonly", (each) => each.getAll());
export const put = (store, value) => run(store, "readwrite", (each) => each.put(value));
export const remove = (store, key) => run(store, "readwrite", (each) => each.delete(key));

// Returns a setting, undefined if it was never set.
export async function getSetting(name) {
  return (await get("settings", name))?.value;
}

export const setSetting = (name, value) => put("settings", { name, value });
