/** Signs of life of a process, for its parent. A process that hangs still runs, but gives none. */

const EVERY_MS = 2_000;

/** Sends `{ type: 'alive' }` over the channel of `process.send`, every two seconds while there is a channel. */
export function giveLifeSigns(): void {
  if (process.send === undefined) return;
  const timer = setInterval(() => {
    if (process.connected) process.send?.({ type: 'alive' });
    else clearInterval(timer);
  }, EVERY_MS);
  timer.unref();
}
