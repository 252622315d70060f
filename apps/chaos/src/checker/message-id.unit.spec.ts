import { describe, expect, it } from '@jest/globals';
import { digestedMessageIdOf, messageIdOf } from '#contracts';
import { eventIdOfMessage } from './message-id.js';

describe('the event id in a message id', () => {
  it.each(['w1-17', 'w1-17 ', ' ', '😀;'])('is read with a digest and without one: "%s"', (eventId) => {
    const digested = digestedMessageIdOf('orders.a', eventId, '{"payload":{}}', 'secret');
    expect(eventIdOfMessage('orders.a', digested)).toBe(eventId);
    expect(eventIdOfMessage('orders.a', messageIdOf('orders.a', eventId))).toBe(eventId);
  });

  it('is empty when the message id is of another topic', () => {
    expect(eventIdOfMessage('orders.b', 'orders.a:1')).toBe('');
    expect(eventIdOfMessage('orders', 'orders.a:1')).toBe('');
  });
});
