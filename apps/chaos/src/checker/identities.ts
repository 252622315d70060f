/**
 * What is known of each event and each poisonous message, by its identity `(topic, event_id)`.
 *
 * An identity is an index into packed columns. The only strings that are kept are the identities themselves.
 */
import { Column } from './column.js';

/** What answers or rows showed of an identity. Bits of the column `marks`. */
export const MARK = {
  /** A submission as a valid event ended *ok*. */
  acknowledged: 1,
  /** Such a submission ended *info*, or never. */
  unknown: 2,
  /** The sequence of its poison is known, and is judged there. */
  poisonPlaced: 4,
  /** The stream has a message of it. */
  inStream: 8,
  /** A dead letter is of it. */
  dead: 16,
  /** A message of it was not settled when the time was up. */
  inFlight: 32,
  /** Brokers that were put back afterwards may have taken a submission as a valid event. */
  exposed: 64,
  /** Such a submission ended *ok*. */
  exposedAcknowledged: 128,
} as const;

/** Variants that have a bit of their own; further ones are kept by name. */
const VARIANT_BITS = 30;

/** All identities that the history or any row names. */
export class Identities {
  /** Bits of `MARK`. */
  readonly marks = Column.ofSmall();
  /** Kinds of poison that may have arrived, one bit each; see `poisonBit`. */
  readonly poisonPossible = Column.ofSmall();
  /** Kinds of poison that were acknowledged. */
  readonly poisonAcknowledged = Column.ofSmall();
  readonly eventRows = Column.ofSmall();
  readonly keyRows = Column.ofSmall();
  /** Offsets (see `Sequences`) of the first row seen in either table. */
  readonly eventAt = Column.ofNumbers();
  readonly keyAt = Column.ofNumbers();
  /** Offset that the last acknowledgement named. */
  readonly acknowledgedAt = Column.ofNumbers();

  private readonly indexes = new Map<string, number>();
  private readonly names: string[] = [];
  private readonly topicNames: string[] = [];
  private readonly topicIndexes = new Map<string, number>();
  private readonly topics = Column.ofNumbers();
  private readonly variants = { sent: Column.ofBits(), possible: Column.ofBits() };
  private readonly rareVariants = new Set<string>();

  get size(): number {
    return this.names.length;
  }

  /** The index of an identity; a new one when it was not known. */
  indexOf(topic: string, eventId: string): number {
    // A topic has no colon, so two different identities never have the same text.
    const name = `${topic}:${eventId}`;
    const known = this.indexes.get(name);
    if (known !== undefined) return known;
    const index = this.names.length;
    this.indexes.set(name, index);
    this.names.push(name);
    this.topics.set(index, this.topicIndex(topic));
    return index;
  }

  /** `<topic>:<event_id>`. */
  name(index: number): string {
    return this.names[index] ?? '(unknown)';
  }

  topic(index: number): string {
    return this.topicNames[this.topics.get(index)] ?? '';
  }

  eventId(index: number): string {
    return this.name(index).slice(this.topic(index).length + 1);
  }

  has(index: number, mark: number): boolean {
    return (this.marks.get(index) & mark) !== 0;
  }

  /** Notes that a variant of an event was sent, and whether the brokers may have it. */
  send(index: number, variant: number, possible: boolean): void {
    if (variant < 0 || variant >= VARIANT_BITS) {
      this.rareVariants.add(`sent ${index} ${variant}`);
      if (possible) this.rareVariants.add(`possible ${index} ${variant}`);
    }
    const bit = variantBit(variant);
    this.variants.sent.add(index, bit);
    if (possible) this.variants.possible.add(index, bit);
  }

  /** Whether a variant of an event was sent at all, or sent so that the brokers may have it. */
  hasVariant(index: number, variant: number, how: 'sent' | 'possible'): boolean {
    const set = (this.variants[how].get(index) & variantBit(variant)) !== 0;
    if (variant >= 0 && variant < VARIANT_BITS) return set;
    return set && this.rareVariants.has(`${how} ${index} ${variant}`);
  }

  /** Whether any variant of it may have arrived as a valid event. */
  mayBeStored(index: number): boolean {
    return this.variants.possible.get(index) !== 0;
  }

  /** Whether any variant of it was sent as a valid event, refused or not. */
  wasSent(index: number): boolean {
    return this.variants.sent.get(index) !== 0;
  }

  private topicIndex(topic: string): number {
    const known = this.topicIndexes.get(topic);
    if (known !== undefined) return known;
    const index = this.topicNames.length;
    this.topicIndexes.set(topic, index);
    this.topicNames.push(topic);
    return index;
  }
}

function variantBit(variant: number): number {
  return 1 << (variant >= 0 && variant < VARIANT_BITS ? variant : VARIANT_BITS);
}
