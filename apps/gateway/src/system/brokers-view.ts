/** The brokers that hold the stream, as its leader and that of its consumer know them. */
import type { ConsumerInfo, StreamInfo } from '#broker';
import type { BrokerRole, BrokersView, BrokerView } from '#contracts';
import { lostReplicas } from '../health/replicas.js';

const NANOSECONDS = 1e9;

/** A group of brokers as the client describes it. */
type Group = StreamInfo['cluster'];

/** Builds the view. @param consumer `undefined` when there is none */
export function brokersView(stream: StreamInfo, consumer: ConsumerInfo | undefined): BrokersView {
  const { config, state, cluster } = stream;
  const lost = new Set(lostReplicas(stream));
  const members = membersOf(cluster, consumer?.cluster, lost);
  const holding = members.filter((broker) => broker.stream !== null);
  return {
    stream: {
      name: config.name,
      messages: state.messages,
      bytes: state.bytes,
      bytes_max: config.max_bytes > 0 ? config.max_bytes : null,
      age_seconds_max: config.max_age > 0 ? config.max_age / NANOSECONDS : null,
      first_seq: state.first_seq,
      last_seq: state.last_seq,
    },
    consumer:
      consumer === undefined
        ? null
        : {
            name: consumer.name,
            ack_floor: consumer.ack_floor.stream_seq,
            unsettled: consumer.num_ack_pending,
            undelivered: consumer.num_pending,
          },
    quorum: {
      members: config.num_replicas,
      answering: holding.filter(({ answers }) => answers).length,
      needed: Math.floor(config.num_replicas / 2) + 1,
    },
    members,
  };
}

/** All brokers of both groups, by their names. */
function membersOf(stream: Group, consumer: Group, lost: ReadonlySet<string>): BrokerView[] {
  const names = new Set([...namesOf(stream), ...namesOf(consumer)]);
  return [...names].sort().map((name) => ({
    name,
    stream: roleOf(stream, name),
    consumer: roleOf(consumer, name),
    answers: !lost.has(name),
    // The leader lacks nothing, and a broker that was never heard from has no figure.
    behind: stream?.replicas?.find((peer) => peer.name === name)?.lag ?? 0,
  }));
}

function namesOf(group: Group): string[] {
  const { leader, replicas = [] } = group ?? {};
  return [...(leader ? [leader] : []), ...replicas.map(({ name }) => name)];
}

function roleOf(group: Group, name: string): BrokerRole | null {
  if (group?.leader === name) return 'leader';
  return namesOf(group).includes(name) ? 'replica' : null;
}
