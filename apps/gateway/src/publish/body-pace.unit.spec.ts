import { describe, expect, it } from '@jest/globals';
import { BodyPace } from './body-pace.js';

/** A body that records that it was cut off. */
class Body {
  arrived = 0;
  isCutOff = false;

  constructor(private readonly pace: BodyPace) {
    pace.watch(this);
  }

  cutOff(): void {
    this.isCutOff = true;
    this.pace.leave(this);
  }
}

describe('the pace of bodies', () => {
  it('cuts off a body that brings too little between two checks, but never at its first check', () => {
    const pace = new BodyPace(1_000);
    const [slow, quick] = [new Body(pace), new Body(pace)];
    pace.check();
    slow.arrived += 4_999;
    quick.arrived += 5_000;
    expect([slow.isCutOff, quick.isCutOff]).toStrictEqual([false, false]);
    pace.check();
    expect([slow.isCutOff, quick.isCutOff]).toStrictEqual([true, false]);
    // Bytes that arrived quickly before do not count.
    quick.arrived += 1_000_000;
    pace.check();
    pace.check();
    expect(quick.isCutOff).toBe(true);
  });

  it('forgets what has arrived', () => {
    const pace = new BodyPace(1_000);
    const body = new Body(pace);
    pace.check();
    pace.leave(body);
    pace.leave(body);
    pace.check();
    expect(body.isCutOff).toBe(false);
  });
});
