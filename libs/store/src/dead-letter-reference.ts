/**
 * The name of a dead letter: `<consumer>.<sequence>.<time of publication>`.
 *
 * The number of a stream incarnation would not do instead of the time. Rows move to another number when the stream
 * continues as a new incarnation. The sequence and the time identify a message in any of them.
 */

/** Names a dead letter. */
export interface DeadLetterReference {
  /** The consumer that gave the message up. */
  readonly consumer: string;
  readonly seq: number;
  /** When the message was published, in milliseconds since 1970. */
  readonly publishedMs: number;
}

const FORM = /^([a-z][a-z0-9_]{0,30})\.([1-9]\d{0,15})\.(\d{1,14})$/;

/** Writes a reference as text, for example `store.4711.1764327000123`. */
export function deadLetterId({ consumer, seq, publishedMs }: DeadLetterReference): string {
  return `${consumer}.${seq}.${publishedMs}`;
}

/** Reads the text of a reference; `undefined` for any other text. */
export function readDeadLetterId(text: string): DeadLetterReference | undefined {
  const [, consumer, seq, publishedMs] = FORM.exec(text) ?? [];
  if (consumer === undefined || Number(seq) > Number.MAX_SAFE_INTEGER) return undefined;
  return { consumer, seq: Number(seq), publishedMs: Number(publishedMs) };
}
