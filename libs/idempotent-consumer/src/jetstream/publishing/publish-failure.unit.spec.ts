import { describe, expect, it } from '@jest/globals';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';
import { publishFailure, retryDelayMs } from './publish-failure.js';

const refusal = (code: number, status: number, description = ''): JetStreamApiError =>
  new JetStreamApiError({ err_code: code, code: status, description });

describe('a try to publish that failed', () => {
  it.each([
    ['no answer in time', new errors.TimeoutError(), 'unanswered', true],
    [
      'no responders: no leader',
      new errors.RequestError('', { cause: new errors.NoRespondersError('x') }),
      'unanswered',
      false,
    ],
    [
      'the connection broke',
      new errors.RequestError('', { cause: new errors.ConnectionError('reset') }),
      'unanswered',
      true,
    ],
    ['JetStream is not available now', refusal(10008, 503), 'unanswered', true],
    ['storing failed, but not for want of room', refusal(10077, 503, 'store is closed'), 'unanswered', true],
    ['the same id is being published', refusal(10158, 409), 'in_process', true],
    ['too many requests', refusal(10167, 429), 'slow_down', false],
    ['an unforeseen error', new Error('?'), 'unanswered', true],
  ])('is repeated when %s', (_, error, pace, mayBeStored) => {
    expect(publishFailure(error)).toEqual({ retry: true, pace, mayBeStored });
  });

  it.each([
    ['the stream is full', refusal(10077, 503, 'maximum bytes exceeded'), 'stream_full'],
    ['the stream has all its messages', refusal(10077, 503, 'maximum messages exceeded'), 'stream_full'],
    ['the storage is full', refusal(10047, 500, 'insufficient storage resources available'), 'stream_full'],
    ['the server is full', refusal(10023, 503, 'insufficient resources'), 'stream_full'],
    ['the stream takes no message of this size', refusal(10054, 400), 'too_large'],
    [
      'the client takes no message of this size',
      errors.InvalidArgumentError.format('payload', 'max_payload size exceeded'),
      'too_large',
    ],
    ['the stream is sealed', refusal(10109, 400), 'refused'],
    [
      'publishing is not permitted',
      new errors.RequestError('', { cause: new errors.PermissionViolationError('', 'publish', 'x') }),
      'refused',
    ],
    ['we closed the connection', new errors.ClosedConnectionError(), 'stopping'],
  ])('is not repeated when %s', (_, error, reason) => {
    expect(publishFailure(error)).toEqual({ retry: false, reason });
  });
});

describe('the pause before the next try', () => {
  it('doubles up to its bound, and jitter takes at most half of it', () => {
    const longest = [1, 2, 3, 4, 5, 50].map((tries) => retryDelayMs('unanswered', tries, 1));
    expect(longest).toEqual([50, 100, 200, 400, 500, 500]);
    expect(retryDelayMs('unanswered', 5, 0)).toBe(250);
  });
});
