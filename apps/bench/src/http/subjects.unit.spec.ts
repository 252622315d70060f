import { describe, expect, it } from '@jest/globals';
import { WrongSubjectError } from '../wrong-subject.js';
import { checkedSubject, type Round } from './subjects.js';

const about = { role: 'ours', subject: 'gateway', unit: 'events/s' } as const;

/** A subject that reports `round` and in truth stores `stores` events. */
function subject(round: Round, stores: number): ReturnType<typeof checkedSubject> {
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
    return Promise.resolve(round);
  });
}

describe('a subject of the HTTP groups', () => {
  it('has a figure when all accepted events are found', async () => {
    const processorUs = { program: 1, postgres: 2, brokers: 3 };
    const round = { figure: 123, accepted: 5, processorUs };
    expect(await subject(round, 5).measure()).toStrictEqual({ value: 123, processorUs });
  });

  it.each([
    ['loses an event', { figure: 123, accepted: 5 }, 4, 'accepted 5 events, but 4 were found'],
    ['stores one twice', { figure: 123, accepted: 5 }, 6, 'accepted 5 events, but 6 were found'],
    ['does nothing', { figure: 0, accepted: 0 }, 0, 'did nothing'],
    ['measures nothing', { figure: Number.NaN, accepted: 5 }, 5, 'did nothing'],
  ])('is an error when it %s', async (_, round, stores, reason) => {
    const measured = subject(round, stores).measure();
    await expect(measured).rejects.toThrow(WrongSubjectError);
    await expect(measured).rejects.toThrow(reason);
  });
});
