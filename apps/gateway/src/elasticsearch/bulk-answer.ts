/**
 * Collects the answer to a bulk request: one item for each action, in the order sent.
 *
 * Clients match items to their documents by position, so none can be left out. Sending the answer while the body
 * arrives would not help: most clients read nothing before they have sent everything. So it is kept as bytes outside the
 * heap, takes room, and has a bound.
 */
import type { PublishOutcome, UnavailableReason } from '#broker';
import { isFinal, WHY } from '../publish/publish-results.js';
import type { BulkItem } from './bulk-items.js';

/** Bytes of an answer, at most: more than 80,000 items. */
export const ANSWER_BYTES_MAX = 16_777_216;
const REASON_LENGTH_MAX = 500;
const NAME_LENGTH_MAX = 256;

/** An item, and what became of it. */
export interface SettledItem {
  readonly item: BulkItem;
  /** Whether the key does not cover its topic. */
  readonly isForbidden: boolean;
  /** `undefined` for an item that was not published, because it is invalid. */
  readonly outcome: PublishOutcome | undefined;
}

/** The answer to one request. */
export class BulkAnswer {
  private readonly startedAt = performance.now();
  private readonly chunks: Buffer[] = [];
  private hasErrors = false;
  /** Bytes so far. */
  bytes = 0;
  /** Items so far. */
  items = 0;
  /** Why the brokers did not take an item. */
  readonly reasons = new Set<UnavailableReason>();

  /** Adds items, in the order of their actions. */
  add(settled: readonly SettledItem[]): void {
    if (settled.length === 0) return;
    const texts = settled.map((one) => this.textOf(one));
    const chunk = Buffer.from(`${this.items === 0 ? '' : ','}${texts.join(',')}`);
    this.items += settled.length;
    this.bytes += chunk.length;
    this.chunks.push(chunk);
  }

  /** The whole answer as JSON, in pieces. */
  end(): readonly Buffer[] {
    const took = Math.round(performance.now() - this.startedAt);
    const head = `{"took":${took},"errors":${this.hasErrors},"items":[`;
    return [Buffer.from(head), ...this.chunks, Buffer.from(']}')];
  }

  private textOf({ item, isForbidden, outcome }: SettledItem): string {
    const { name, event } = item;
    const names = namesOf(item);
    if (outcome === undefined) {
      const [first] = event.valid ? [] : event.errors;
      const reason = first?.message ?? 'the document is invalid';
      return isForbidden
        ? this.failed(name, names, 403, 'security_exception', reason)
        : this.failed(name, names, 400, 'document_parsing_exception', reason);
    }
    if (outcome.status === 'unavailable') {
      if (isFinal([outcome.reason]))
        return this.failed(name, names, 413, 'illegal_argument_exception', WHY[outcome.reason]);
      this.reasons.add(outcome.reason);
      return this.failed(name, names, 429, 'es_rejected_execution_exception', WHY[outcome.reason]);
    }
    if (outcome.status === 'duplicate') {
      const reason = `the event is there already, as sequence ${outcome.seq}`;
      return this.failed(name, names, 409, 'version_conflict_engine_exception', reason);
    }
    const stored = { _version: 1, result: 'created', _seq_no: outcome.seq, _primary_term: 1, status: 201 };
    return JSON.stringify({ [name]: { ...names, ...stored } });
  }

  private failed(name: string, names: object, status: number, type: string, reason: string): string {
    this.hasErrors = true;
    const error = { type, reason: reason.slice(0, REASON_LENGTH_MAX) };
    return JSON.stringify({ [name]: { ...names, status, error } });
  }
}

/** The names of an item. Where they became others, the topic and the origin of the id are named as well. */
function namesOf({ index, id, event }: BulkItem): Record<string, unknown> {
  const { topic, eventId } = event;
  const _index = (index ?? topic ?? '').slice(0, NAME_LENGTH_MAX);
  const _id = eventId ?? id?.slice(0, NAME_LENGTH_MAX);
  return {
    _index,
    ...(_id !== undefined && { _id }),
    ...(topic !== undefined && topic !== _index && { topic }),
    ...(event.valid && event.idOrigin !== undefined && { id_origin: event.idOrigin }),
  };
}
