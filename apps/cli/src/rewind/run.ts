/** Deletes the consumer. It needs no database, because it is for the moment when there is none. */
import { brokerAddress, connectBroker, forgetConsumer } from '#broker';
import { CommandError, errorLine, type ExitCode } from '../command-error.js';
import { formatCount, print } from '../output.js';
import { findTarget, withoutPassword, type TargetOptions } from '../target.js';

/** The options that the user chose. */
export interface RewindOptions extends TargetOptions {
  readonly stream?: string;
  readonly consumer?: string;
}

/** Deletes the consumer and prints what was forgotten. Throws `CommandError` (2). */
export async function runRewind(options: RewindOptions): Promise<ExitCode> {
  const target = findTarget(options);
  const name = options.consumer ?? target.SEKALI_CONSUMER;
  const stream = options.stream ?? target.SEKALI_STREAM;
  const where = withoutPassword(target.SEKALI_NATS_URLS);
  const failed = (error: unknown): never => {
    throw new CommandError(`the brokers at ${where} did not delete the consumer: ${errorLine(error)}`, 2, {
      cause: error,
    });
  };
  const connection = await connectBroker(brokerAddress(target, 'sekali-rewind'), {
    waitForFirst: false,
  }).catch(failed);
  try {
    const forgotten = await forgetConsumer(connection, { name, stream }).catch(failed);
    await print(
      forgotten === undefined
        ? `There is no consumer ${name} of stream ${stream}, so there is nothing to forget.`
        : `Consumer ${name} is deleted; it had read up to ${formatCount(forgotten.ack_floor.stream_seq)}. ` +
            'Restore the database, then run setup: it begins again where the database ends.',
    );
    return 0;
  } finally {
    await connection.close().catch(() => undefined);
  }
}
