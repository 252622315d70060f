/** Notes in the database how far messages have left the stream, so that rows of theirs may be dropped by age. */
import type { NatsConnection } from '@nats-io/nats-core';
import { streamIdentity, StreamReader } from '#broker';
import { noteStreamFloor, SEKALI_LEDGER, type Queryable } from '#store';

/**
 * Returns what notes the first sequence that a stream still has. A stream that the database does not know is left out.
 * It throws when the brokers or the database do not answer.
 */
export function streamFloorNote(
  connection: NatsConnection,
  stream: string,
): (database: Queryable) => Promise<void> {
  return async (database) => {
    const info = await (await StreamReader.of(connection)).stream(stream);
    if (info === undefined) return;
    const key = { name: stream, identity: streamIdentity(info) };
    const incarnation = await SEKALI_LEDGER.registry.find(database, key);
    if (incarnation !== undefined) await noteStreamFloor(database, incarnation, info.state.first_seq);
  };
}
