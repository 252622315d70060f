/** The cause of a refusal, for the metrics: noted where the answer is written, and read when it was sent. */
import type { FastifyReply } from 'fastify';
import type { Problem } from '#contracts';

const PREFIX = 'urn:sekali:problem:';
const causes = new WeakMap<FastifyReply, string>();

/** Notes that a reply is a refusal with this problem. */
export function noteRefusal(reply: FastifyReply, { type, status }: Pick<Problem, 'type' | 'status'>): void {
  causes.set(reply, type.startsWith(PREFIX) ? type.slice(PREFIX.length) : `status-${status}`);
}

/** Returns the cause of a refusal, such as `too-large`; `undefined` for any other reply. */
export function refusalOf(reply: FastifyReply): string | undefined {
  return causes.get(reply);
}
