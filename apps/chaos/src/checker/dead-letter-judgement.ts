/** Judges dead letters: poison becomes one, with the right reason, and nothing else does. */
import { poisonBit, poisonKinds, type CaseFile } from './case-file.js';
import { REASON_OF } from './evidence.js';
import { MARK } from './identities.js';

/** Says what is wrong with the dead letters of a run. */
export class DeadLetterJudgement {
  constructor(private readonly file: CaseFile) {}

  /** Looks at one sequence. */
  judge(offset: number): void {
    if (this.file.sequences.isDead(offset)) this.judgeRow(offset);
    else this.judgeMissing(offset);
  }

  /** Looks at poison whose sequence nobody was told, or outside of the run: any dead letter of it will do. */
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
      violations.add('dead_letter_unexpected', () => `${where()}: no poison, and given up as ${reason}`);
    else if (!kinds.some((kind) => REASON_OF[kind] === reason))
      violations.add('reason_wrong', () => `${where()}: ${kinds.join(' or ')}, given up as ${reason}`);
  }

  /** The kinds of poison that the message may be, as bits. */
  private poisonAt(offset: number, identity: number): number {
    const { sequences, identities } = this.file;
    const told = sequences.told.get(offset);
    if (told >= 0 && told === sequences.messageAt(offset)) {
      const kind = sequences.toldPoison.get(offset);
      return kind > 0 ? poisonBit(kind) : 0;
    }
    return identity >= 0 ? identities.poisonPossible.get(identity) : 0;
  }

  private judgeMissing(offset: number): void {
    const { sequences, identities, violations } = this.file;
    const told = sequences.told.get(offset);
    if (told < 0 || sequences.toldPoison.get(offset) === 0) return;
    if (sequences.settledBefore(offset, told) > 0) return;
    if (!this.file.surroundings.drained && !sequences.isStored(offset) && !sequences.isDuplicate(offset))
      return;
    violations.add(
      'dead_letter_missing',
      () => `sequence ${sequences.seq(offset)} (${identities.name(told)}): acknowledged, no dead letter`,
    );
  }
}
