/**
 * Judges sequence by sequence. Each ends as exactly one of stored, duplicate and dead letter, and as the message that
 * the stream has there.
 */
import type { CaseFile } from './case-file.js';
import { DeadLetterJudgement } from './dead-letter-judgement.js';
import { MARK } from './identities.js';

/** Finds what is wrong with the sequences of a run. */
export class SequenceJudgement {
  private readonly deadLetters: DeadLetterJudgement;

  constructor(private readonly file: CaseFile) {
    this.deadLetters = new DeadLetterJudgement(file);
  }

  /** Judges every sequence once. */
  judge(): void {
    const { sequences } = this.file;
    for (let offset = 0; offset < sequences.size; offset++) {
      this.account(offset);
      this.place(offset);
      if (sequences.event.get(offset) >= 0) this.judgeEvent(offset);
      if (sequences.isDuplicate(offset)) this.judgeDuplicate(offset);
      this.deadLetters.judge(offset);
    }
  }

  private account(offset: number): void {
    const { sequences, violations } = this.file;
    const [stored, duplicate, dead] = [
      sequences.isStored(offset),
      sequences.isDuplicate(offset),
      sequences.isDead(offset),
    ];
    const places = Number(stored) + Number(duplicate) + Number(dead);
    if (places > 1) {
      violations.add('counted_twice', () => {
        const names = [stored ? 'stored' : '', duplicate ? 'duplicate' : '', dead ? 'dead letter' : ''];
        return `${this.where(offset)}: ${names.filter((name) => name !== '').join(' and ')}`;
      });
    }
    if (this.settledBefore(offset, places) || places > 0 || !this.belongs(offset)) return;
    if (this.isInFlight(offset)) {
      violations.add('never_drained', () => `${this.where(offset)}: in the stream, without a row`);
      const message = sequences.messageAt(offset);
      if (message >= 0) this.file.identities.marks.add(message, MARK.inFlight);
      return;
    }
    violations.add('unaccounted', () => `${this.where(offset)}: no row, ${this.presence(offset)}`);
    this.judgeLost(offset);
  }

  /**
   * A reader that follows a new incarnation may settle the common beginning again or leave it out. It must not settle
   * it twice, because that message was already settled.
   */
  private settledBefore(offset: number, places: number): boolean {
    const { sequences, identities, violations } = this.file;
    if (offset >= sequences.length) return false;
    const message = sequences.messageAt(offset);
    // The message was purged, and its producer does not know where it was, or it came before brokers were put back.
    // Then any row at its sequence is its own.
    if (message === -1 && this.isPurged(offset)) return sequences.hasFormer(offset);
    const before = sequences.settledBefore(offset, message);
    // What the brokers lost may have come again, and may have received the same sequence by chance.
    const isOne = before > 0 && !identities.has(message, MARK.exposed);
    if (isOne && before + Number(places > 0) > 1) {
      violations.add('counted_twice', () => `${this.where(offset)}: settled in more than one incarnation`);
    }
    return before > 0;
  }

  /** If another message of the event is stored, the event is not lost. But this acknowledged message of it is. */
  private judgeLost(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const acknowledged = sequences.acknowledged.get(offset);
    if (
      acknowledged < 0 ||
      sequences.acknowledgedPoison.get(offset) > 0 ||
      identities.eventRows.get(acknowledged) === 0
    )
      return;
    violations.add('lost', () => `${this.where(offset)}: acknowledged, and it has no row`);
  }

  private belongs(offset: number): boolean {
    const { sequences, surroundings } = this.file;
    return (
      surroundings.alone || sequences.stream.get(offset) !== -1 || sequences.acknowledged.get(offset) >= 0
    );
  }

  private isInFlight(offset: number): boolean {
    return !this.file.surroundings.drained && this.file.sequences.stream.get(offset) !== -1;
  }

  /** Compares everything that names a message at this sequence. */
  private place(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const message = sequences.messageAt(offset);
    const seen = [
      ['acknowledged', sequences.acknowledged.get(offset)],
      ['event', sequences.event.get(offset)],
      ['key', sequences.key.get(offset)],
      ['duplicate', sequences.duplicate.get(offset)],
      ['dead letter', sequences.dead.get(offset)],
    ] as const;
    for (const [what, identity] of seen) {
      if (message < 0 || identity < 0 || identity === message) continue;
      violations.add(
        'misplaced',
        () =>
          `${what} at ${sequences.label(offset)} is ${identities.name(identity)}, the message there ${identities.name(message)}`,
      );
    }
  }

  private judgeEvent(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const identity = sequences.event.get(offset);
    const variant = sequences.eventVariant.get(offset);
    const first = sequences.variantAt(offset);
    if (first >= 0 && sequences.messageAt(offset) === identity && first !== variant) {
      violations.add(
        'first_not_kept',
        () =>
          `${this.where(offset)}: variant ${variant} is stored, variant ${first} was sent as this sequence`,
      );
    }
    if (!this.file.isWhole('history')) return;
    if (!identities.hasVariant(identity, variant, 'possible'))
      violations.add('unexpected', () => `${this.where(offset)}: ${this.whyUnexpected(identity, variant)}`);
    else if (sequences.acknowledged.get(offset) === identity && sequences.acknowledgedPoison.get(offset) > 0)
      violations.add('unexpected', () => `${this.where(offset)}: poison is stored`);
  }

  private whyUnexpected(identity: number, variant: number): string {
    const { identities } = this.file;
    if (identities.hasVariant(identity, variant, 'sent')) return `variant ${variant} was refused for good`;
    if (identities.wasSent(identity)) return `variant ${variant} was never sent`;
    return identities.poisonPossible.get(identity) > 0 ? 'poison is stored' : 'never sent';
  }

  private judgeDuplicate(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const identity = sequences.duplicate.get(offset);
    if (this.file.isWhole('history') && !identities.mayBeStored(identity))
      violations.add(
        'unexpected',
        () => `${this.where(offset)}: a duplicate of what was never sent, or refused`,
      );
    const eventAt = identities.eventAt.get(identity);
    const storedAt = eventAt >= 0 ? eventAt : identities.keyAt.get(identity);
    const first = sequences.duplicateFirst.get(offset);
    if (first !== storedAt || storedAt < 0) {
      violations.add('first_not_kept', () => {
        const named = first < 0 ? 'one outside of the run' : sequences.label(first);
        const stored = storedAt < 0 ? 'none' : sequences.label(storedAt);
        return `${this.where(offset)}: a duplicate of ${named}; stored is ${stored}`;
      });
    }
    if (eventAt >= 0) this.judgeConflict(offset, sequences.eventVariant.get(eventAt));
  }

  private judgeConflict(offset: number, stored: number): void {
    const { sequences, violations } = this.file;
    const isConflict = sequences.conflict.get(offset) === 1;
    const kept = sequences.duplicateVariant.get(offset);
    const variant = sequences.variantAt(offset);
    if (variant >= 0 && isConflict !== (variant !== stored)) {
      violations.add(
        'conflict_misjudged',
        () =>
          `${this.where(offset)}: variant ${variant} of the stored ${stored} is called ${isConflict ? 'a conflict' : 'none'}`,
      );
    } else if (isConflict && (kept === stored || kept < 0 || (variant >= 0 && kept !== variant))) {
      violations.add('conflict_misjudged', () => {
        const what = kept < 0 ? 'no payload' : `the payload of variant ${kept}`;
        return `${this.where(offset)}: a conflict of variant ${variant} keeps ${what}`;
      });
    }
  }

  private presence(offset: number): string {
    const { sequences } = this.file;
    if (sequences.stream.get(offset) !== -1) return 'and the stream has it';
    if (this.isPurged(offset)) return 'purged from the stream';
    return this.file.isWhole('stream') ? 'gone from the stream' : 'and the stream could not be read';
  }

  private isPurged(offset: number): boolean {
    const { sequences, surroundings } = this.file;
    return sequences.seq(offset) < surroundings.streamFirstSeq;
  }

  private where(offset: number): string {
    const { sequences, identities } = this.file;
    const named = [sequences.messageAt(offset), sequences.event.get(offset), sequences.duplicate.get(offset)];
    const identity = named.find((candidate) => candidate >= 0);
    const name = identity === undefined ? '' : ` (${identities.name(identity)})`;
    return `${sequences.label(offset)}${name}`;
  }
}
