/** What must hold of every request that a description gives. */
import { expect } from '@jest/globals';
import fc, { type IAsyncProperty } from 'fast-check';
import type { DescribedSystem } from './described-system.js';
import type { DescribedRequest } from './request-faults.js';

/** What a permitted request may lack: the thing that it is about, or the state in which it is possible. */
export const MISSING =
  /:(unknown-event|unknown-dead-letter|unknown-page-file|payload-dropped|acted-on|not-replayable)"/;

/** A request that the description permits is carried out, and answered as described. */
export function permittedIsCarriedOut(system: DescribedSystem): IAsyncProperty<[DescribedRequest]> {
  return fc.asyncProperty(system.requests.permitted(), async (request) => {
    const answer = await system.send(request);
    expect(system.error(request, answer)).toBeUndefined();
    const id = request.headers['x-request-id'];
    if (id !== undefined) expect(answer.headers.get('x-request-id')).toBe(id);
    if (answer.status >= 300) expect(answer.text).toMatch(MISSING);
  });
}

/** Any other request is answered as described as well, and never by a fault of the gateway. */
export function othersAreAnswered(system: DescribedSystem): IAsyncProperty<[DescribedRequest]> {
  return fc.asyncProperty(system.requests.disturbed(), async (request) => {
    const answer = await system.send(request);
    expect(system.error(request, answer)).toBeUndefined();
    expect(answer.status).not.toBe(500);
  });
}
