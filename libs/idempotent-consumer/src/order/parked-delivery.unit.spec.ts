import { describe, expect, it } from '@jest/globals';
import { ParkedDelivery } from './parked-delivery.js';

function parked(...lines: readonly string[]): ParkedDelivery {
  return new ParkedDelivery({
    ...{ stream_id: 1, seq: 1, key: 'a', subject: 'events.a', deliveries: 1, is_retry: false },
    ...{ topic: 'a', event_id: '1', body: Buffer.from('{}'), published_at: new Date(0) },
    headers: Buffer.from(['NATS/1.0', ...lines, '', ''].join('\r\n')),
  });
}

describe('the headers of a parked event', () => {
  it('are those of its message, with each value of a name', () => {
    const delivery = parked('Nats-Msg-Id: a:1', 'A: one', 'A: two', 'Empty:');
    expect(delivery.header('Nats-Msg-Id')).toBe('a:1');
    expect(delivery.header('Empty')).toBeUndefined();
    expect(delivery.headersText()).toBe('{"Nats-Msg-Id":["a:1"],"A":["one","two"],"Empty":[""]}');
    expect(parked().headersText()).toBeUndefined();
  });

  it('are kept for a dead letter up to the same bound as those of a delivery', () => {
    const many = Array.from({ length: 9_000 }, () => 'A: y');
    const delivery = parked('Nats-Msg-Id: a:1', `Long: ${'x'.repeat(3_000)}`, ...many);
    const kept = JSON.parse(delivery.headersText() ?? '') as Record<string, string[]>;
    expect(Object.keys(kept)).toEqual(['Nats-Msg-Id', 'Long']);
    expect(kept['Long']?.[0]).toHaveLength(2_048);
  });
});
