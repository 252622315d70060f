/** What the view says of brokers that lead, follow, lag or are away. */
import { describe, expect, it } from '@jest/globals';
import type { ConsumerInfo, StreamInfo } from '#broker';
import { brokersView } from './brokers-view.js';

const peer = (name: string, members: object = {}): object => ({
  ...{ name, current: true, offline: false, active: 1e6 },
  ...members,
});

function stream(replicas: readonly object[]): StreamInfo {
  return {
    config: { name: 'EVENTS', num_replicas: 3, max_bytes: -1, max_age: 0 },
    state: { messages: 5, bytes: 500, first_seq: 1, last_seq: 5 },
    cluster: { leader: 'n2', replicas },
  } as unknown as StreamInfo;
}

const CONSUMER = {
  ...{ name: 'store', ack_floor: { stream_seq: 4 }, num_ack_pending: 1, num_pending: 0 },
  cluster: { leader: 'n1', replicas: [peer('n2'), peer('n3')] },
} as unknown as ConsumerInfo;

describe('the view of the brokers', () => {
  it('names who leads, by the names of the brokers', () => {
    const view = brokersView(stream([peer('n3'), peer('n1')]), CONSUMER);
    expect(view.members).toEqual([
      { name: 'n1', stream: 'replica', consumer: 'leader', answers: true, behind: 0 },
      { name: 'n2', stream: 'leader', consumer: 'replica', answers: true, behind: 0 },
      { name: 'n3', stream: 'replica', consumer: 'replica', answers: true, behind: 0 },
    ]);
    expect(view.quorum).toEqual({ members: 3, answering: 3, needed: 2 });
    expect(view.stream).toMatchObject({ bytes_max: null, age_seconds_max: null });
    expect(view.consumer).toEqual({ name: 'store', ack_floor: 4, unsettled: 1, undelivered: 0 });
  });

  it('says who does not answer, and who lags', () => {
    const { members, quorum, consumer } = brokersView(
      stream([peer('n1', { active: 9e9, current: false }), peer('n3', { lag: 12 })]),
      undefined,
    );
    expect(members.map(({ name, answers, behind }) => [name, answers, behind])).toEqual([
      ['n1', false, 0],
      ['n2', true, 0],
      ['n3', true, 12],
    ]);
    expect(quorum).toEqual({ members: 3, answering: 2, needed: 2 });
    expect(consumer).toBeNull();
  });

  it('counts a leader that is missing as one that does not answer', () => {
    const leaderless = {
      ...stream([peer('n1'), peer('n3')]),
      cluster: { replicas: [peer('n1'), peer('n3')] },
    };
    const { quorum } = brokersView(leaderless as unknown as StreamInfo, undefined);
    expect(quorum).toEqual({ members: 3, answering: 2, needed: 2 });
  });

  it('has one broker without replicas', () => {
    const alone = { ...stream([]), config: { name: 'E', num_replicas: 1, max_bytes: 9, max_age: 6e10 } };
    const view = brokersView(alone as unknown as StreamInfo, undefined);
    expect(view.quorum).toEqual({ members: 1, answering: 1, needed: 1 });
    expect(view.stream).toMatchObject({ bytes_max: 9, age_seconds_max: 60 });
  });
});
