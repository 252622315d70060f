/**
 * Judges sums: the counters of each topic against its rows, the accounts of the judge's own consumer against events.
 */
import { amountOf } from '../workload/message.js';
import type { CaseFile, TopicRows } from './case-file.js';
import { MARK } from './identities.js';

const COUNTED = ['stored', 'duplicates', 'conflicts', 'deadLetters'] as const;
const NO_ROWS: TopicRows = { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 };

/** Compares the counters of each topic with its rows. */
export function judgeCounters({ counters, rowsByTopic, violations }: CaseFile): void {
  const counted = new Map(counters.map((counter) => [counter.topic, counter]));
  for (const topic of new Set([...counted.keys(), ...rowsByTopic.keys()])) {
    const counter = counted.get(topic) ?? NO_ROWS;
    const rows = rowsByTopic.get(topic) ?? NO_ROWS;
    for (const what of COUNTED) {
      if (counter[what] === rows[what]) continue;
      violations.add(
        'counters_differ',
        () => `topic ${topic}: the counter of ${what} says ${counter[what]}, there are ${rows[what]} rows`,
      );
    }
  }
}

/** The required sum of an account, and what it may have beyond that. */
interface Expectation {
  sum: number;
  events: number;
  /** Events that the accounts may have met before the brokers lost them. */
  sumBeyond: number;
  eventsBeyond: number;
}

const NOTHING: Expectation = { sum: 0, events: 0, sumBeyond: 0, eventsBeyond: 0 };

/** Compares the accounts with the events, each of which must have counted once. */
export function judgeAccounts(file: CaseFile): void {
  const { accounts, surroundings, violations } = file;
  if (!surroundings.accounting) return;
  const expected = expectations(file);
  const found = new Map(accounts.map((account) => [account.topic, account]));
  for (const topic of new Set([...expected.keys(), ...found.keys()])) {
    const { sum, events, sumBeyond, eventsBeyond } = expected.get(topic) ?? NOTHING;
    const account = found.get(topic) ?? { sum: 0, events: 0 };
    const beyond = eventsBeyond === 0 ? '' : `, and at most ${eventsBeyond} with ${sumBeyond} more`;
    const example = (): string =>
      `account ${topic}: ${account.events} events with a sum of ${account.sum}, it must be ${events} with ${sum}${beyond}`;
    const tooHigh = account.events > events + eventsBeyond || account.sum > sum + sumBeyond;
    const tooLow = account.events < events || account.sum < sum;
    if (tooHigh) violations.add('duplicated', example);
    // What is not settled yet is missing from the account, and that is not a fault.
    if (tooHigh || (tooLow && surroundings.drained)) violations.add('account_differs', example);
  }
}

/**
 * The required accounts. The accounts' consumer reads the stream itself, so an event that only the store lost counts
 * here. Otherwise a loss would look like an effect that took place twice.
 */
function expectations({ identities }: CaseFile): Map<string, Expectation> {
  const expected = new Map<string, Expectation>();
  for (let identity = 0; identity < identities.size; identity++) {
    const shown = identities.has(identity, MARK.inStream) && identities.mayBeStored(identity);
    const exposed = identities.has(identity, MARK.exposed);
    // Of what the brokers lost, one consumer may have met an event and the other not.
    const stored = identities.eventRows.get(identity) > 0 && !exposed;
    const due = shown || stored || identities.has(identity, MARK.acknowledged);
    if (!due && !exposed) continue;
    const topic = identities.topic(identity);
    let account = expected.get(topic);
    if (account === undefined) expected.set(topic, (account = { ...NOTHING }));
    const amount = amountOf(topic, identities.eventId(identity));
    account.sum += due ? amount : 0;
    account.events += due ? 1 : 0;
    account.sumBeyond += due ? 0 : amount;
    account.eventsBeyond += due ? 0 : 1;
  }
  return expected;
}
