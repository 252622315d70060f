import { describe, expect, it } from '@jest/globals';
import { WrongSubjectError } from '../wrong-subject.js';
import { checkedSubject, type Turn } from './subjects.js';

const about = { role: 'ours', subject: 'gateway', unit: 'events/s' } as const;

/** A subject that says `turn` and in truth stores `stores` events. */
function subject(turn: Turn, stores: number): ReturnType<typeof checkedSubject> {
  let held = 7;
  const destination = {
    clear: () => {
      held = 2;
      return Promise.resolve();
    },
    count: () => Promise.resolve(held),
  };
  return checkedSubject(about, destination, () => {
    held += stores;
    return Promise.resolve(turn);
  });
}

describe('a subject of the HTTP groups', () => {
  it('has its figure when all that it accepted is there', async () => {
    const processorUs = { program: 1, postgres: 2, brokers: 3 };
    const turn = { figure: 123, accepted: 5, processorUs };
    expect(await subject(turn, 5).measure()).toStrictEqual({ value: 123, processorUs });
  });

  it.each([
    ['loses an event', { figure: 123, accepted: 5 }, 4, 'accepted 5 events, but 4 were found'],
    ['stores one twice', { figure: 123, accepted: 5 }, 6, 'accepted 5 events, but 6 were found'],
    ['does nothing', { figure: 0, accepted: 0 }, 0, 'did nothing'],
    ['measures nothing', { figure: Number.NaN, accepted: 5 }, 5, 'did nothing'],
  ])('is wrong when it %s', async (_, turn, stores, reason) => {
    const measured = subject(turn, stores).measure();
    await expect(measured).rejects.toThrow(WrongSubjectError);
    await expect(measured).rejects.toThrow(reason);
  });
});
