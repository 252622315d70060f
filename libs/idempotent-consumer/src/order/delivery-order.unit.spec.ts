/** Which deliveries a session in order takes. */
import { describe, expect, it } from '@jest/globals';
import type { Delivery } from '../delivery.js';
import { DeliveryOrder } from './delivery-order.js';

function numbered(...numbers: readonly number[]): Delivery[] {
  return numbers.map(
    (deliveryNumber) => ({ seq: deliveryNumber, deliveryCount: 1, deliveryNumber }) as unknown as Delivery,
  );
}

describe('the order of deliveries', () => {
  it('takes each next one', () => {
    const order = new DeliveryOrder();
    order.begin({ deliveryCount: 4 }, 0);
    expect(() => {
      order.take(numbered(5, 6));
      order.take(numbered(7));
    }).not.toThrow();
  });

  it.each([[[6]], [[5, 7]], [[4]]])('refuses %j where 5 is next, and everything behind it', (numbers) => {
    const order = new DeliveryOrder();
    order.begin({ deliveryCount: 4 }, 0);
    expect(() => {
      order.take(numbered(...numbers));
    }).toThrow(/came where [56] was expected/);
    expect(() => {
      order.take(numbered(5));
    }).toThrow('the session has ended');
  });

  it('knows which messages may have come before', () => {
    const order = new DeliveryOrder();
    order.begin({ deliveryCount: 0 }, 2);
    expect(numbered(1, 2, 3).map((one) => order.mayHaveCome(one))).toEqual([true, true, false]);
    expect(order.mayHaveCome({ seq: 9, deliveryCount: 2 } as Delivery)).toBe(true);
  });
});
