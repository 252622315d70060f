import type { Operation } from '../history/operation.js';
import { amountOf } from '../workload/message.js';
import { CaseFile, type Source } from './case-file.js';
import type { Column } from './column.js';
import type {
  Account,
  AuditOpinion,
  GatewayFigures,
  Placed,
  StoredDeadLetter,
  StoredDuplicate,
  StoredEvent,
  StoredKey,
  StreamMessage,
  Surroundings,
  TopicCounters,
} from './evidence.js';
import { judgeAudit, judgeFigures } from './figure-judgement.js';
import { MARK } from './identities.js';
import { countIdentities, judgeIdentities } from './identity-judgement.js';
import { SequenceJudgement } from './sequence-judgement.js';
import { UNNAMED } from './sequences.js';
import { Submissions } from './submissions.js';
import { judgeAccounts, judgeCounters } from './total-judgement.js';
import type { Verdict } from './verdict.js';

export type { Source } from './case-file.js';

/**
 * Takes the history and the evidence that was read at the end, and says whether the promise was kept. It does no I/O.
 *
 *   operation…  ─▶  streamMessage, storedEvent, storedKey, … in any order  ─▶  verdict
 *
 * It works on sets and not on sums. Each event and each sequence is judged on its own, so that one loss and one
 * duplicate cannot cancel out. It keeps packed numbers and one string per event, so a million events take about 230 MB.
 *
 * What could not be read does not count against the system. The rules that need it are left out, and unless something
 * else is wrong the verdict is `unknown`. `verdict` is called once, at the end.
 */
export class Checker {
  private readonly file: CaseFile;
  private readonly submissions: Submissions;

  constructor(surroundings: Surroundings) {
    this.file = new CaseFile(surroundings);
    this.submissions = new Submissions(this.file);
  }

  /** The next line of the history. All of the history comes before the first row. */
  operation(line: Operation): void {
    this.submissions.take(line);
  }

  /** A message of the run's topics that the stream still has. */
  streamMessage(message: StreamMessage): void {
    const { identities, sequences } = this.file;
    const offset = sequences.offset(message.seq);
    // Messages behind the last sequence of the run do not belong to it.
    if (offset === undefined) return;
    if (message.eventId === '') {
      sequences.stream.set(offset, UNNAMED);
      return;
    }
    const identity = identities.indexOf(message.topic, message.eventId);
    identities.marks.add(identity, MARK.inStream);
    sequences.stream.set(offset, identity);
    sequences.streamVariant.set(offset, message.variant ?? -1);
  }

  /** A row of the table of events. */
  storedEvent(row: StoredEvent): void {
    const { identities, sequences, violations } = this.file;
    this.file.rowsOf(row.topic).stored++;
    const identity = identities.indexOf(row.topic, row.eventId);
    const offset = this.enter('event', sequences.event, identity, row);
    if (identities.eventRows.increment(identity) === 0) identities.eventAt.set(identity, offset ?? -1);
    else
      violations.add('duplicated', () => `${identities.name(identity)}: another event, sequence ${row.seq}`);
    const amount = amountOf(row.topic, row.eventId);
    if (row.amount !== amount) {
      violations.add(
        'unexpected',
        () => `${identities.name(identity)}: stored with an amount of ${row.amount}, sent with ${amount}`,
      );
    }
    if (offset !== undefined) sequences.eventVariant.set(offset, row.variant);
  }

  /** A row of the table of keys. */
  storedKey(row: StoredKey): void {
    const { identities, sequences, violations } = this.file;
    const identity = identities.indexOf(row.topic, row.eventId);
    const offset = this.enter('key', sequences.key, identity, row);
    if (identities.keyRows.increment(identity) === 0) identities.keyAt.set(identity, offset ?? -1);
    else violations.add('duplicated', () => `${identities.name(identity)}: another key, sequence ${row.seq}`);
  }

  /** An event whose row comes from another transaction than its key. These come in addition to the rows themselves. */
  committedApart({ topic, eventId, seq }: StoredKey): void {
    this.file.violations.add('committed_apart', () => `sequence ${seq} (${topic} ${eventId})`);
  }

  /** A row of the table of duplicates. */
  storedDuplicate(row: StoredDuplicate): void {
    const { identities, sequences } = this.file;
    const rows = this.file.rowsOf(row.topic);
    rows.duplicates++;
    if (row.conflict) rows.conflicts++;
    const identity = identities.indexOf(row.topic, row.eventId);
    const offset = this.enter('duplicate', sequences.duplicate, identity, row);
    if (offset === undefined) return;
    sequences.duplicateFirst.set(offset, sequences.locate(row.firstSeq, row.firstIncarnation) ?? -1);
    sequences.duplicateVariant.set(offset, row.variant ?? -1);
    sequences.conflict.set(offset, Number(row.conflict));
  }

  /** A row of the table of dead letters. */
  storedDeadLetter(row: StoredDeadLetter): void {
    const { identities, sequences } = this.file;
    this.file.rowsOf(row.topic).deadLetters++;
    const identity = row.eventId === '' ? UNNAMED : identities.indexOf(row.topic, row.eventId);
    const offset = this.enter('dead letter', sequences.dead, identity, row);
    if (offset !== undefined) sequences.deadReason.set(offset, this.file.reasonNumber(row.reason));
  }

  /** The counters of a topic, summed. */
  topicCounters(counters: TopicCounters): void {
    this.file.counters.push(counters);
  }

  /** The account of a topic, summed. */
  account(account: Account): void {
    this.file.accounts.push(account);
  }

  /** The figures of a gateway, after everything was settled. */
  gatewayFigures(figures: GatewayFigures): void {
    this.file.figures.push(figures);
  }

  /** The opinion of `sekali audit`. */
  auditOpinion(opinion: AuditOpinion): void {
    this.file.audit = opinion;
  }

  /** Something could not be read, or not to its end. */
  unreadable(source: Source, why: string): void {
    this.file.miss(source, why);
  }

  /** The verdict. It is called once. */
  verdict(): Verdict {
    this.submissions.end();
    const { file } = this;
    const { violations, surroundings } = file;
    if (file.isWhole('database')) {
      new SequenceJudgement(file).judge();
      judgeIdentities(file);
      judgeCounters(file);
      judgeAccounts(file);
    }
    judgeFigures(file);
    for (const fault of surroundings.notHealed ?? []) violations.add('not_healed', () => fault);
    for (const stall of surroundings.stalls ?? []) violations.add('stalled', () => stall);
    if (!surroundings.drained && !violations.has(['never_drained']))
      violations.add('never_drained', () => 'the consumers had messages that were not acknowledged');
    const doubt = judgeAudit(file);
    const counts = countIdentities(file);
    const { stored, duplicates, conflicts, deadLetters } = file.allRows();
    const unknowns = [...file.missing(), ...(doubt === undefined ? [] : [doubt])];
    if (counts.acknowledged + counts.exposed + file.tally.poison === 0)
      unknowns.push('nothing was acknowledged');
    return {
      valid: violations.none ? (unknowns.length === 0 ? true : 'unknown') : false,
      violations: violations.list(),
      unknowns,
      tally: { ...file.tally, ...counts, stored, duplicates, conflicts, deadLetters },
      ...(file.audit !== undefined && { audit: file.audit }),
    };
  }

  /** Enters a row at its sequence. @returns its offset, or undefined when the run has no such sequence */
  private enter(
    what: string,
    column: Column,
    identity: number,
    { seq, incarnation }: Placed,
  ): number | undefined {
    const { identities, sequences, violations } = this.file;
    const offset = sequences.locate(seq, incarnation);
    const name = identity >= 0 ? identities.name(identity) : 'no event id';
    if (offset === undefined) {
      violations.add(
        'misplaced',
        () => `${what} at sequence ${seq} (${name}): the run has ${sequences.range}`,
      );
      return undefined;
    }
    if (column.get(offset) !== -1) {
      violations.add(
        'counted_twice',
        () => `${sequences.label(offset)} (${name}): another ${what} in addition to the first`,
      );
    } else column.set(offset, identity);
    return offset;
  }
}
