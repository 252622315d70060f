/** Requests that may arrive for longer than others, because they are bounded in another way. */
import type { Socket } from 'node:net';

const allowed = new WeakSet<Socket>();

/** Lets the requests of a connection arrive for as long as they need. The caller has to bound their pace. */
export function allowLongRequest(socket: Socket): void {
  allowed.add(socket);
}

/** Whether a request of this connection may arrive for longer than others. */
export function mayBeLong(socket: Socket): boolean {
  return allowed.has(socket);
}

/** Takes it back, for the next request of the connection. */
export function endLongRequest(socket: Socket): void {
  allowed.delete(socket);
}
