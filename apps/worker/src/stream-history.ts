/** Compares the stream's history with the database, for the consumers of the worker. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { currentIncarnation, type DifferingHistory, type Incarnation } from '#idempotent-consumer/postgres';
import { EVENT_BYTES_METADATA, StreamWitness } from '#broker';
import type { WorkerSettings } from '#config';
import type { Coverage, StreamHistory, StreamState } from '#idempotent-consumer/parts';
import type { Logger } from '#observability';
import { onNewConnection } from '#postgres';
import {
  consumerStart,
  filteredLossesOf,
  noteConsumerStart,
  noteRestored,
  noteStoreLoss,
  SEKALI_LEDGER,
  setForeignAside,
  STORE_INBOX,
} from '#store';

/** The stream, and the consumer that reads it. */
interface HistoryOptions {
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly stream: string;
  /** The first token of the subjects, by which messages are read here. */
  readonly subjectPrefix: string;
  /** The size of the largest event that is read here, in bytes. */
  readonly eventBytesMax: number;
  /** The inbox of the consumer. */
  readonly inbox: string;
  /** Which messages leave a row in it; every message by default. */
  readonly coverage?: Coverage;
  readonly logger: Logger;
}

/** Compares the stream with the database, and determines where the consumer has to start. */
function streamHistory(options: HistoryOptions): StreamHistory {
  const { connection, pool, stream, inbox, logger } = options;
  const { leavesGaps = false, subjects = [] } = options.coverage ?? {};
  const witness = new StreamWitness(connection, stream);
  const losses = filteredLossesOf(inbox);
  let current: Incarnation | undefined;
  return {
    incarnation: async (state, foreign) => {
      refuseOtherRules(state, options);
      losses.suspect();
      const { name, identity } = state;
      const onDiffering = (found: DifferingHistory): void => {
        logger.error(
          { stream: name, ...found },
          'the stream has lost messages that the database has: registering a new incarnation; what follows them is read again',
        );
      };
      current = await currentIncarnation(pool, SEKALI_LEDGER, { name, identity }, witness, { onDiffering });
      // In another incarnation, the sequences are free already.
      if (foreign?.streamId === current.streamId && inbox !== STORE_INBOX) {
        const { seqs } = foreign;
        logger.error(
          { stream: name, consumer: inbox, first: seqs[0], count: seqs.length },
          'the stream has lost messages that this consumer has processed: setting them aside for those that follow',
        );
        // A sequence is kept under the number of its segment.
        for (const { streamId, after, upTo } of current.segments) {
          const inside = seqs.filter((seq) => seq > after && seq <= upTo);
          if (inside.length > 0) await setForeignAside(pool, name, inbox, { streamId, seqs: inside });
        }
      }
      return current;
    },
    startOf: async ({ streamId }, consumer) => {
      if (current?.streamId !== streamId) return undefined;
      const filters = leavesGaps ? subjects : (consumer.filters ?? []);
      const filtered = filters.length > 0 ? { losses, subjects: filters } : undefined;
      const start = await consumerStart(pool, current, inbox, consumer, witness, filtered);
      if (start === undefined) await noteRestored(pool, inbox, current, consumer.stream.firstSeq - 1);
      return start;
    },
    lost: ({ streamId }, loss) => noteStoreLoss(pool, inbox, streamId, loss),
    started: async (_incarnation, { seq }) => {
      if (current) await noteConsumerStart(pool, current, inbox, seq);
    },
    onNewConnection: (listener) =>
      onNewConnection(pool, (server) => {
        void losses.connected(server).then(listener);
      }),
  };
}

/** Creates the history of one consumer from the settings of a worker. */
export function historyOf(
  settings: Pick<WorkerSettings, 'SEKALI_STREAM' | 'SEKALI_SUBJECT_PREFIX' | 'SEKALI_EVENT_BYTES_MAX'>,
  parts: Pick<HistoryOptions, 'connection' | 'pool' | 'inbox' | 'coverage' | 'logger'>,
): StreamHistory {
  return streamHistory({
    ...parts,
    stream: settings.SEKALI_STREAM,
    subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    eventBytesMax: settings.SEKALI_EVENT_BYTES_MAX,
  });
}

/**
 * Refuses to read messages by other rules than those under which they were accepted: they would become dead letters.
 * Setup changes the rules when no message waits.
 */
function refuseOtherRules(
  { name, subjects, metadata }: StreamState,
  { subjectPrefix, eventBytesMax }: HistoryOptions,
): void {
  if (!subjects.includes(`${subjectPrefix}.>`)) {
    throw new Error(
      `SEKALI_SUBJECT_PREFIX is ${subjectPrefix}, but stream ${name} takes ${subjects.join(', ')}: run setup with it first`,
    );
  }
  const accepted = Number(metadata[EVENT_BYTES_METADATA] ?? 0);
  if (accepted > eventBytesMax) {
    throw new Error(
      `SEKALI_EVENT_BYTES_MAX is ${eventBytesMax}, but stream ${name} has taken events of ${accepted}: run setup with it first`,
    );
  }
}
