/** Signs of life of a process, for whoever started it: one that hangs still runs, and gives none. */

const EVERY_MS = 2_000;

/** Says `{ type: 'alive' }` over the channel of `process.send`, every two seconds for as long as there is one. */
export function giveLifeSigns(): void {
  if (process.send === undefined) return;
  const timer = setInterval(() => {
    if (process.connected) process.send?.({ type: 'alive' });
    else clearInterval(timer);
  }, EVERY_MS);
  timer.unref();
}
