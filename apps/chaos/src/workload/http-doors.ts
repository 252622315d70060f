/** The doors of a gateway: how each is asked, and what its answers mean. */
import type { HttpVia } from '../history/operation.js';
import { readBulkAnswer } from './bulk-answer.js';
import { eventBody, payloadBody } from './event-body.js';
import { readAnswer } from './http-answer.js';
import { SOURCE, type Message } from './message.js';
import type { Answer } from './producer.js';

/** A request without what all requests have in common. */
interface DoorRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A door. */
export interface HttpDoor {
  /** @param runStartedAtMs milliseconds since 1970, from which the timestamps of events follow */
  request(messages: readonly Message[], runStartedAtMs: number): DoorRequest;
  /** @param text the body of the answer, to its end */
  read(status: number, text: string, messages: readonly Message[]): Answer;
}

const PUBLISH = { path: '/publish', headers: { 'content-type': 'application/json' } };

/** The doors, by the way that goes through them. */
export const HTTP_DOORS: Readonly<Record<HttpVia, HttpDoor>> = {
  http: {
    request: (messages, startedAtMs) => ({
      ...PUBLISH,
      body: messages.map((message) => eventBody(message, startedAtMs)).join(''),
    }),
    read: (status, text, messages) => readAnswer(status, text, messages, false),
  },
  http_batch: {
    request: (messages, startedAtMs) => ({ ...PUBLISH, body: arrayOf(messages, startedAtMs, eventBody) }),
    read: (status, text, messages) => readAnswer(status, text, messages, false),
  },
  http_lenient: {
    request: (messages, startedAtMs) => ({
      path: PUBLISH.path,
      headers: { ...PUBLISH.headers, prefer: 'handling=lenient' },
      body: arrayOf(messages, startedAtMs, eventBody),
    }),
    read: (status, text, messages) => readAnswer(status, text, messages, true),
  },
  bulk: {
    request: (messages, startedAtMs) => ({
      path: '/_bulk',
      headers: {
        'content-type': 'application/x-ndjson',
        'sekali-source': SOURCE,
        'sekali-time-field': 'time',
      },
      body: messages.map((message) => bulkLines(message, startedAtMs)).join(''),
    }),
    read: readBulkAnswer,
  },
  cloudevents: {
    request: (messages, startedAtMs) => {
      const [first, ...others] = messages;
      const isOne = first !== undefined && others.length === 0;
      const type = isOne ? 'application/cloudevents+json' : 'application/cloudevents-batch+json';
      return {
        path: '/cloudevents',
        headers: { 'content-type': type },
        body: isOne ? payloadBody(first, startedAtMs) : arrayOf(messages, startedAtMs, payloadBody),
      };
    },
    read: (status, text, messages) => readAnswer(status, text, messages, false),
  },
};

function arrayOf(messages: readonly Message[], startedAtMs: number, write: typeof eventBody): string {
  return `[${messages.map((message) => write(message, startedAtMs)).join(',')}]`;
}

/** The action and the document of a message. Both actions must do the same, so each is used. */
function bulkLines(message: Message, startedAtMs: number): string {
  const { topic, eventId, variant } = message;
  const action = { [variant === 0 ? 'create' : 'index']: { _index: topic, _id: eventId } };
  return `${JSON.stringify(action)}\n${payloadBody(message, startedAtMs)}\n`;
}
