import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { eventIdOfNumber } from './event-body.js';
import { requestBody } from './request-body.js';

describe('the bodies of a load', () => {
  const numbers = [5, 123_000_000_007, 98] as const;
  const ids = numbers.map((number) => eventIdOfNumber('run', number));

  it('are compressed lines with an event of each number', () => {
    const body = requestBody('gzip-lines', 'run', 3);
    for (const [position, number] of numbers.entries()) body.write(position, number);
    const lines = gunzipSync(body.bytes).toString().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { event_id: string }).event_id)).toEqual(ids);
  });

  it('are log records of OTLP with an id of each number', () => {
    const body = requestBody('otlp-protobuf', 'run', 3);
    for (const [position, number] of numbers.entries()) body.write(position, number);
    expect(body.bytes.toString('latin1').match(/run-\d{12}/g)).toEqual(ids);
    // The whole is one field, whose length takes two bytes.
    const [tag, low = 0, high = 0] = body.bytes;
    expect([tag, low - 128 + high * 128]).toEqual([0x0a, body.bytes.length - 3]);
  });
});
