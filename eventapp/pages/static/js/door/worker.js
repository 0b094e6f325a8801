// The service worker of the door: keeps the page and its files, and opens them without a connection.
//
// The server puts a line before this script: the constant DOOR, with the `version`, the `pages` by language and
// the `files`. A new version is a new script, so browsers install it, beside the one in use. Answers of the API
// are never kept here; the page keeps what it needs of them.

const CACHE = `door-${DOOR.version}`;

addEventListener("install", (event) => event.waitUntil(keepAll()));
addEventListener("activate", (event) => event.waitUntil(takeOver()));
addEventListener("message", ({ data }) => {
  if (data === "activate") skipWaiting();
});
addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/door") event.respondWith(openPage(url));
  else if (DOOR.files.includes(url.pathname)) event.respondWith(openFile(request));
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  const addresses = [...Object.values(DOOR.pages), ...DOOR.files];
  await cache.addAll(addresses.map((address) => new Request(address, { cache: "reload" })));
}

async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("door-") && name !== CACHE).map((name) => caches.delete(name)));
  await clients.claim();
}

// Returns the page in the language of the address, else in that of the browser when it was kept.
async function openPage(url) {
  const cache = await caches.open(CACHE);
  const address = DOOR.pages[url.searchParams.get("lang")] || DOOR.pages.default;
  return (await cache.match(address)) || fetch(url);
}

async function openFile(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request)) || fetch(request);
}
