/**
 * What is known of each sequence of the stream: who was given it, what the stream has there, which rows name it.
 *
 * A sequence is an offset from the first one of the run, into packed columns. Identities are indexes of `Identities`.
 *
 *   0 … length                        length … size
 *   the incarnation that the stream   rows of former incarnations, an offset each as they are met:
 *   has at the end                    the same sequence may come again in every one of them
 */
import { Column } from './column.js';

/** The stream has a message there, but it names no event. */
export const UNNAMED = -2;

interface FormerSequence {
  readonly seq: number;
  readonly incarnation: number;
}

/** All sequences that the run's messages can have. */
export class Sequences {
  /** The message that the stream has: identity, -1 for none, `UNNAMED`. */
  readonly stream: Column;
  readonly streamVariant: Column;
  /** The message that was acknowledged with this sequence and not as a duplicate: identity, or -1. */
  readonly acknowledged: Column;
  /** Its variant; -1 when two variants were acknowledged with the same sequence. */
  readonly acknowledgedVariant: Column;
  /** Kind of poison from 1 on, 0 for a valid event. */
  readonly acknowledgedPoison: Column;
  /** The row of the table of events: identity, or -1. */
  readonly event: Column;
  readonly eventVariant: Column;
  /** The row of the table of keys. */
  readonly key: Column;
  /** The row of the table of duplicates. */
  readonly duplicate: Column;
  /** Offset of the first one that it names; -1 outside of the run. */
  readonly duplicateFirst: Column;
  /** Variant of the payload that was kept; -1 when none was. */
  readonly duplicateVariant: Column;
  /** 1 for a conflict. */
  readonly conflict: Column;
  /** The row of the table of dead letters; `UNNAMED` for one that names no event. */
  readonly dead: Column;
  /** Number of the reason, from 0 on. */
  readonly deadReason: Column;
  /** The number of sequences of the incarnation that the stream has at the end. */
  readonly length: number;
  private readonly former: FormerSequence[] = [];
  private readonly formerOffsets = new Map<number, Map<number, number>>();

  constructor(
    private readonly firstSeq: number,
    lastSeq: number,
  ) {
    this.length = Math.max(0, lastSeq - firstSeq + 1);
    const numbers = (): Column => Column.ofNumbers(this.length);
    const small = (): Column => Column.ofSmall(this.length);
    [this.stream, this.streamVariant] = [numbers(), numbers()];
    [this.acknowledged, this.acknowledgedVariant, this.acknowledgedPoison] = [numbers(), numbers(), small()];
    [this.event, this.eventVariant, this.key] = [numbers(), numbers(), numbers()];
    [this.duplicate, this.duplicateFirst, this.duplicateVariant] = [numbers(), numbers(), numbers()];
    [this.conflict, this.dead, this.deadReason] = [small(), numbers(), small()];
  }

  /** The offset of a sequence; undefined for one that no message of the run can have. */
  offset(seq: number): number | undefined {
    const offset = seq - this.firstSeq;
    return offset >= 0 && offset < this.length ? offset : undefined;
  }

  /** The number of offsets, including those of former incarnations. */
  get size(): number {
    return this.length + this.former.length;
  }

  /** The offset of a row; a new one for a sequence of a former incarnation that was not met before. */
  locate(seq: number, incarnation: number | null = null): number | undefined {
    if (incarnation === null) return this.offset(seq);
    let offsets = this.formerOffsets.get(seq);
    if (offsets === undefined) this.formerOffsets.set(seq, (offsets = new Map<number, number>()));
    const known = offsets.get(incarnation);
    if (known !== undefined) return known;
    const offset = this.size;
    offsets.set(incarnation, offset);
    this.former.push({ seq, incarnation });
    return offset;
  }

  /** How many former incarnations have a row for this identity at the same sequence. */
  settledBefore(offset: number, identity: number): number {
    const offsets = this.formerOffsets.get(this.seq(offset));
    if (offsets === undefined || identity < 0) return 0;
    return [...offsets.values()].filter((other) =>
      [this.event, this.duplicate, this.dead].some((column) => column.get(other) === identity),
    ).length;
  }

  /** Whether a former incarnation has a row at the same sequence. */
  hasFormer(offset: number): boolean {
    const offsets = this.formerOffsets.get(this.seq(offset)) ?? new Map<number, number>();
    return [...offsets.values()].some(
      (former) => this.isStored(former) || this.isDuplicate(former) || this.isDead(former),
    );
  }

  seq(offset: number): number {
    return this.former[offset - this.length]?.seq ?? this.firstSeq + offset;
  }

  /** "sequence 7", or "sequence 7 of incarnation 1" for a former one. */
  label(offset: number): string {
    const former = this.former[offset - this.length];
    return `sequence ${this.seq(offset)}${former === undefined ? '' : ` of incarnation ${former.incarnation}`}`;
  }

  /** "1 to 100", for a report. */
  get range(): string {
    return `${this.firstSeq} to ${this.firstSeq + this.length - 1}`;
  }

  /** The identity of the message there, from the stream or from its acknowledgement; -1 when neither has it. */
  messageAt(offset: number): number {
    const shown = this.stream.get(offset);
    return shown >= 0 ? shown : this.acknowledged.get(offset);
  }

  /** The variant of the message there; -1 when it is unknown. */
  variantAt(offset: number): number {
    const shown = this.streamVariant.get(offset);
    return shown >= 0 ? shown : this.acknowledgedVariant.get(offset);
  }

  isStored(offset: number): boolean {
    return this.event.get(offset) >= 0 || this.key.get(offset) >= 0;
  }

  isDuplicate(offset: number): boolean {
    return this.duplicate.get(offset) >= 0;
  }

  isDead(offset: number): boolean {
    return this.dead.get(offset) !== -1;
  }
}
