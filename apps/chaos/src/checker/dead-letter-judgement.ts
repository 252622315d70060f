/** Judges dead letters: poison becomes one, with the right reason, and nothing else does. */
import { poisonBit, poisonKinds, type CaseFile } from './case-file.js';
import { REASON_OF } from './evidence.js';
import { MARK } from './identities.js';

/** Finds what is wrong with the dead letters of a run. */
export class DeadLetterJudgement {
  constructor(private readonly file: CaseFile) {}

  /** Judges one sequence. */
  judge(offset: number): void {
    if (this.file.sequences.isDead(offset)) this.judgeRow(offset);
    else this.judgeMissing(offset);
  }

  /**
   * Judges poison whose sequence no producer knows, or which is outside of the run. Any dead letter of it is enough.
   */
  judgeIdentity(identity: number): void {
    const { identities, violations } = this.file;
    if (identities.poisonAcknowledged.get(identity) === 0) return;
    if (identities.has(identity, MARK.poisonPlaced | MARK.dead | MARK.inFlight)) return;
    violations.add('dead_letter_missing', () => `${identities.name(identity)}: acknowledged, no dead letter`);
  }

  private judgeRow(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const named = sequences.dead.get(offset);
    const identity = named >= 0 ? named : sequences.messageAt(offset);
    if (identity >= 0) identities.marks.add(identity, MARK.dead);
    if (!this.file.isWhole('history')) return;
    const kinds = poisonKinds(this.poisonAt(offset, identity));
    const reason = this.file.reasons[sequences.deadReason.get(offset)] ?? '';
    const where = (): string =>
      `sequence ${sequences.seq(offset)} (${identity >= 0 ? identities.name(identity) : 'no event id'})`;
    if (kinds.length === 0)
      violations.add('dead_letter_unexpected', () => `${where()}: not poison, but given up as ${reason}`);
    else if (!kinds.some((kind) => REASON_OF[kind] === reason))
      violations.add('reason_wrong', () => `${where()}: ${kinds.join(' or ')}, given up as ${reason}`);
  }

  /** The kinds of poison that the message may be, as bits. */
  private poisonAt(offset: number, identity: number): number {
    const { sequences, identities } = this.file;
    const acknowledged = sequences.acknowledged.get(offset);
    if (acknowledged >= 0 && acknowledged === sequences.messageAt(offset)) {
      const kind = sequences.acknowledgedPoison.get(offset);
      return kind > 0 ? poisonBit(kind) : 0;
    }
    return identity >= 0 ? identities.poisonPossible.get(identity) : 0;
  }

  private judgeMissing(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const acknowledged = sequences.acknowledged.get(offset);
    if (acknowledged < 0 || sequences.acknowledgedPoison.get(offset) === 0) return;
    if (sequences.settledBefore(offset, acknowledged) > 0) return;
    if (!this.file.surroundings.drained && !sequences.isStored(offset) && !sequences.isDuplicate(offset))
      return;
    violations.add(
      'dead_letter_missing',
      () =>
        `sequence ${sequences.seq(offset)} (${identities.name(acknowledged)}): acknowledged, no dead letter`,
    );
  }
}
