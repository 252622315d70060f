/**
 * `POST /webhooks/{topic}`: verifies a delivery, then publishes it.
 *
 *   body ─▶ signature of one of the topic's secrets ─▶ event ─▶ brokers ─▶ 202
 *                └─none─▶ 401, the same for every reason, and nothing is kept
 *
 * Providers have no key, so everyone may send here. What a stranger costs is bounded: his body is no longer than one
 * event (request-bodies.ts), and at most four HMACs are over it. His requests a second are those of one key
 * (protections.ts), and only some of his refusals are logged (failed-attempts.ts).
 *
 * A valid delivery is taken even then. A provider sends for all of its customers from the same addresses, so any of
 * them could otherwise lock out the others. Only bytes are bounded for all: 272 KiB with four secrets take 3 ms of the
 * processor. An address that had 16 MiB hashed in vain within a second waits for the next one.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { PublishResponse } from '#contracts';
import { ClientShares } from '../keys/client-shares.js';
import { tooManyFailures, type FailedAttempts } from '../keys/failed-attempts.js';
import { problem, ProblemError, unavailableError, type AnswerHeaders } from '../problems/problem-error.js';
import { JsonBody, ROOM_OF_ANOTHER } from '../publish/json-body.js';
import type { RequestOrigin } from '../publish/publish-access.js';
import { asPublication } from '../publish/publish-request.js';
import type { EventCheck, Publishing } from '../publish/publishing.js';
import { deliveredEvent, type DeliveredEvent } from './delivered-event.js';
import { verifyDelivery, type Delivery, type SignatureRefusal } from './signature.js';
import type { WebhookSecrets } from './webhook-secrets.js';

/** Bytes that are hashed in vain for one address in a window, at most. They take 50 ms of the processor. */
const VAIN_BYTES_MAX = 16_777_216;
/** The window, in milliseconds. */
export const VAIN_WINDOW_MS = 1_000;

/** The parts of a door. */
export interface WebhookDoorParts {
  readonly secrets: Pick<WebhookSecrets, 'isKnown' | 'of'>;
  readonly publishing: Pick<Publishing, 'publish'>;
  readonly failed: Pick<FailedAttempts, 'note'>;
}

/** Where a delivery comes from. */
export interface Sender {
  /** See `clientOf`. */
  readonly client: string;
  readonly origin: RequestOrigin;
}

/** Takes the deliveries of webhooks. */
export class WebhookDoor {
  constructor(
    private readonly parts: WebhookDoorParts,
    private readonly nowMs: () => number = Date.now,
    private readonly vainBytes = new ClientShares(VAIN_WINDOW_MS),
  ) {}

  /**
   * Publishes a delivery.
   *
   * @param body as it was sent
   * @returns once the brokers have it
   * @throws ProblemError 401 unless it is signed, 429 when a client has sent much that was not; what `Publishing` throws
   */
  async take(
    topic: string,
    headers: IncomingHttpHeaders,
    body: Buffer,
    sender: Sender,
  ): Promise<{ body: PublishResponse; headers: AnswerHeaders }> {
    const { secrets, publishing } = this.parts;
    if (!secrets.isKnown) throw unavailableError('database', undefined);
    const delivery: Delivery = { headers, body };
    const now = this.nowMs();
    if (this.vainBytes.usedBy(sender.client) >= VAIN_BYTES_MAX) throw tooMuchInVain();
    const verifiers = secrets.of(topic);
    const verdict = verifyDelivery(verifiers, delivery, now);
    if (typeof verdict === 'string') {
      this.vainBytes.add(sender.client, verifiers.length * body.length);
      throw this.refused(verdict, topic, sender);
    }
    const delivered = deliveredEvent(topic, delivery, verdict, now);
    const payload = new JsonBody(Buffer.from(delivered.event.payload), ROOM_OF_ANOTHER);
    // The topics that a secret adds are counted as those of a key.
    const access = { topics: null, keyId: `webhook ${verdict.secret.secret_id}`, origin: sender.origin };
    return publishing.publish(payload, false, access, checkOf(delivered));
  }

  private refused(reason: SignatureRefusal, topic: string, { client, origin }: Sender): ProblemError {
    // A topic without secrets is any text of a stranger.
    const named = reason === 'unknown topic' ? {} : { topic };
    const seconds = this.parts.failed.note({ client, requestId: origin.requestId, ...named, reason });
    if (seconds !== undefined) return tooManyFailures('signature', seconds);
    const detail =
      'The delivery is not signed with a secret of its address, or was signed too long ago. The log of the gateway says more.';
    return new ProblemError(problem('no-signature', 401, detail), {
      'www-authenticate': 'Signature realm="sekali"',
    });
  }
}

function tooMuchInVain(): ProblemError {
  const detail = 'Too much came from this address without a valid signature. Send it again in a second.';
  return new ProblemError(problem('too-many-requests', 429, detail), { 'retry-after': '1' });
}

/** The text of the request is the payload of the one event. */
function checkOf({ event, idOrigin }: DeliveredEvent): EventCheck {
  return ({ flaw }, _text, _index, eventBytesMax) =>
    flaw === undefined
      ? asPublication(event, eventBytesMax, idOrigin)
      : { valid: false, topic: event.topic, eventId: event.eventId, errors: [flaw] };
}
