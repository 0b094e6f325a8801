// Installs the service worker of the door, so that the page opens without a connection.

// A new version waits until the page is opened the next time, and takes over before anything is scanned. Then
// the page is loaded again, unless `mayReload` is false: while a phone is paired, that would lose its token.
export async function registerWorker(mayReload) {
  if (!navigator.serviceWorker) return;
  const isControlled = Boolean(navigator.serviceWorker.controller);
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (isControlled) location.reload();
  });
  try {
    const registration = await navigator.serviceWorker.register("/door/worker.js", { scope: "/door" });
    if (mayReload) registration.waiting?.postMessage("activate");
  } catch (error) {
    // Without a connection, the worker that is installed goes on.
    if (navigator.onLine && error.name !== "TypeError") throw error;
  }
}
