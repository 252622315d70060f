/** Judges event by event: what was acknowledged is stored, and stored once. It also counts events for the verdict. */
import type { CaseFile } from './case-file.js';
import { DeadLetterJudgement } from './dead-letter-judgement.js';
import { MARK } from './identities.js';

/** Events by what was known of them. */
export interface IdentityTally {
  acknowledged: number;
  unknownStored: number;
  unknownNotStored: number;
  exposed: number;
  exposedLost: number;
}

/** Counts the events that were acknowledged, those that could be lost, and those of unknown outcome. */
export function countIdentities({ identities }: CaseFile): IdentityTally {
  const tally = { acknowledged: 0, unknownStored: 0, unknownNotStored: 0, exposed: 0, exposedLost: 0 };
  for (let identity = 0; identity < identities.size; identity++) {
    if (identities.has(identity, MARK.acknowledged)) tally.acknowledged++;
    else if (identities.has(identity, MARK.exposedAcknowledged)) {
      tally.exposed++;
      if (identities.eventRows.get(identity) === 0) tally.exposedLost++;
    } else if (!identities.has(identity, MARK.unknown)) continue;
    else if (identities.eventRows.get(identity) > 0) tally.unknownStored++;
    else tally.unknownNotStored++;
  }
  return tally;
}

/** Finds what is wrong with the events of a run. It comes after the sequences, which mark what is in flight or dead. */
export function judgeIdentities(file: CaseFile): void {
  const { identities } = file;
  const deadLetters = new DeadLetterJudgement(file);
  for (let identity = 0; identity < identities.size; identity++) {
    judgeLost(file, identity);
    judgePair(file, identity);
    deadLetters.judgeIdentity(identity);
  }
  judgeStrays(file);
}

function judgeLost({ identities, sequences, violations }: CaseFile, identity: number): void {
  if (!identities.has(identity, MARK.acknowledged) || identities.eventRows.get(identity) > 0) return;
  if (identities.has(identity, MARK.inFlight)) return;
  violations.add('lost', () => {
    const at = identities.acknowledgedAt.get(identity);
    const place = at < 0 ? '' : ` as sequence ${sequences.seq(at)}`;
    return `${identities.name(identity)}: acknowledged${place}, not stored`;
  });
}

/** Every event has a key, at the same sequence. */
function judgePair({ identities, sequences, violations }: CaseFile, identity: number): void {
  const [events, keys] = [identities.eventRows.get(identity), identities.keyRows.get(identity)];
  const [eventAt, keyAt] = [identities.eventAt.get(identity), identities.keyAt.get(identity)];
  if (events > 0 === keys > 0 && (events === 0 || eventAt === keyAt)) return;
  violations.add('key_without_event', () => {
    const event = events === 0 ? 'no event' : `its event at ${sequences.label(eventAt)}`;
    const key = keys === 0 ? 'no key' : `its key at ${sequences.label(keyAt)}`;
    return `${identities.name(identity)}: ${event}, ${key}`;
  });
}

/** The stream never had an acknowledged sequence. The message behind it is lost, even if a repeat of it is stored. */
function judgeStrays({ strays, identities, sequences, violations }: CaseFile): void {
  for (const { seq, identity, poison } of strays) {
    const example = (): string =>
      `${identities.name(identity)}: acknowledged as sequence ${seq}, the stream has ${sequences.range}`;
    violations.add('misplaced', example);
    if (!poison && identities.eventRows.get(identity) > 0) violations.add('lost', example);
  }
}
