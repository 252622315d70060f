import type { Completion, EndedMessage, Invocation, Operation, SentMessage } from '../history/operation.js';
import { isExposed } from '../history/loss-window.js';
import { poisonBit, poisonNumber, type CaseFile } from './case-file.js';
import { MARK } from './identities.js';

const UNANSWERED: EndedMessage = ['info', 0, 0];

/**
 * Turns the lines of a history into what is known of identities and sequences.
 *
 * Only operations that have not ended yet are kept; one that never ends counts as *info*. Answers shortly before the
 * brokers were put back are no evidence: neither that an event is stored, nor of what a sequence has.
 */
export class Submissions {
  private readonly open = new Map<number, Invocation>();

  constructor(private readonly file: CaseFile) {}

  /** Takes the next line. */
  take(line: Operation): void {
    if (line.type === 'invoke') {
      if (this.open.has(line.op)) this.file.miss('history', `operation ${line.op} began twice`);
      this.open.set(line.op, line);
    } else this.complete(line);
  }

  /** The history has no more lines. */
  end(): void {
    for (const invocation of this.open.values()) this.settle(invocation, [], undefined);
    this.open.clear();
  }

  private complete(line: Completion): void {
    const invocation = this.open.get(line.op);
    if (invocation === undefined) {
      this.file.miss('history', `operation ${line.op} ended, and had not begun`);
      return;
    }
    this.open.delete(line.op);
    if (line.messages.length !== invocation.messages.length) {
      const { length } = invocation.messages;
      this.file.miss(
        'history',
        `operation ${line.op} has ${length} messages and ${line.messages.length} ends`,
      );
    }
    this.settle(invocation, line.messages, line.atMs);
  }

  private settle(invocation: Invocation, ends: readonly EndedMessage[], endedAtMs: number | undefined): void {
    this.file.tally.operations++;
    const { lossWindows = [] } = this.file.surroundings;
    const exposed = isExposed(lossWindows, invocation.atMs, endedAtMs);
    for (const [index, message] of invocation.messages.entries()) {
      const end = ends[index] ?? UNANSWERED;
      this.file.tally.sent++;
      this.file.tally[end[0]]++;
      if (message[3] === null) this.settleEvent(message, end, exposed);
      else this.settlePoison(message, poisonNumber(message[3]), end, exposed);
    }
  }

  private settleEvent(
    [topic, eventId, variant]: SentMessage,
    [outcome, seq, duplicate]: EndedMessage,
    exposed: boolean,
  ): void {
    const { identities } = this.file;
    const identity = identities.indexOf(topic, eventId);
    identities.send(identity, variant, outcome !== 'fail');
    if (outcome === 'info') identities.marks.add(identity, MARK.unknown);
    if (exposed && outcome !== 'fail') identities.marks.add(identity, MARK.exposed);
    if (outcome !== 'ok') return;
    if (exposed) {
      identities.marks.add(identity, MARK.exposedAcknowledged);
      return;
    }
    identities.marks.add(identity, MARK.acknowledged);
    this.place(identity, seq, { duplicate: duplicate === 1, variant, poison: 0 });
  }

  private settlePoison(
    [topic, eventId]: SentMessage,
    kind: number,
    end: EndedMessage,
    exposed: boolean,
  ): void {
    const [outcome, seq, duplicate] = end;
    const { identities } = this.file;
    const identity = identities.indexOf(topic, eventId);
    if (outcome !== 'fail') identities.poisonPossible.add(identity, poisonBit(kind));
    if (outcome !== 'ok') return;
    this.file.tally.poison++;
    if (exposed) return;
    identities.poisonAcknowledged.add(identity, poisonBit(kind));
    this.place(identity, seq, { duplicate: duplicate === 1, variant: -1, poison: kind });
  }

  /** Notes which message is at a sequence, according to its acknowledgement. */
  private place(
    identity: number,
    seq: number,
    message: { readonly duplicate: boolean; readonly variant: number; readonly poison: number },
  ): void {
    if (seq === 0) return;
    const { identities, sequences } = this.file;
    const offset = sequences.offset(seq);
    if (offset === undefined) {
      this.file.strays.push({ seq, identity, poison: message.poison > 0 });
      return;
    }
    identities.acknowledgedAt.set(identity, offset);
    const other = sequences.acknowledged.get(offset);
    if (other >= 0 && other !== identity) {
      this.file.violations.add(
        'misplaced',
        () =>
          `sequence ${seq} was acknowledged for ${identities.name(other)} and for ${identities.name(identity)}`,
      );
      return;
    }
    // The acknowledgement of a duplicate has the sequence of the message that came first, whose payload may differ.
    if (message.duplicate) return;
    sequences.acknowledgedVariant.set(
      offset,
      sameOrUnknown(other, sequences.acknowledgedVariant.get(offset), message.variant),
    );
    sequences.acknowledged.set(offset, identity);
    sequences.acknowledgedPoison.set(offset, message.poison);
    if (message.poison > 0) identities.marks.add(identity, MARK.poisonPlaced);
  }
}

/** The variant of a message whose producer asked twice and got the same sequence each time. */
function sameOrUnknown(other: number, known: number, variant: number): number {
  return other < 0 || known === variant ? variant : -1;
}
