/** Pairs the lines of a bulk request: actions, and the documents behind them. */
import type { FieldError } from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { Line } from '../publish/line-splitter.js';
import type { Checked } from '../publish/publish-request.js';
import { ACTIONS, readAction, type ActionName, type BulkAction } from './bulk-action.js';
import type { DocumentReader } from './document-reader.js';

/** An action with its document. */
export interface BulkItem {
  readonly name: ActionName;
  /** The index of the action, else of the address. */
  readonly index: string | undefined;
  /** The id of the action, as it was sent. */
  readonly id: string | undefined;
  readonly event: Checked;
}

const UNCHANGEABLE: FieldError = {
  field: 'event',
  message: 'an event is stored once and never changes: use create or index',
};
const CUT: FieldError = { field: 'event', message: 'the document behind the last action is missing' };

/**
 * The actions of one request.
 *
 *   action ─create, index─▶ document ─▶ item
 *     ├─update─▶ document, which is passed over ─▶ refused item
 *     └─delete─▶ refused item
 *
 * Behind a line that should be an action and is not one, no line could be recognised. So it ends the request, as in
 * Elasticsearch. A wrong document harms no other.
 */
export class BulkItems {
  private open: BulkAction | undefined;

  /** @param pathIndex the index in the address, for actions that name none */
  constructor(
    private readonly documents: Pick<DocumentReader, 'read'>,
    private readonly pathIndex: string | undefined,
  ) {}

  /**
   * Takes the next line.
   *
   * @returns the item that it completes; `undefined` for an action whose document follows
   * @throws ProblemError 400 when it should be an action and is not one
   */
  next(line: Line): BulkItem | undefined {
    const action = this.open;
    if (action === undefined) {
      const next = readAction(line.text);
      if (next === undefined) throw noAction(line);
      if (next.name === 'delete') return this.item(next, refused(UNCHANGEABLE));
      this.open = next;
      return undefined;
    }
    this.open = undefined;
    if (action.name === 'update') return this.item(action, refused(UNCHANGEABLE));
    if (line.flaw !== undefined) return this.item(action, refused(line.flaw));
    return this.item(action, this.documents.read(line.text, this.placeOf(action)));
  }

  /** The item of an action whose document never came. */
  end(): BulkItem | undefined {
    return this.open && this.item(this.open, refused(CUT));
  }

  private placeOf({ index = this.pathIndex, id }: BulkAction): Pick<BulkItem, 'index' | 'id'> {
    return { index, id };
  }

  private item(action: BulkAction, event: Checked): BulkItem {
    return { name: action.name, ...this.placeOf(action), event };
  }
}

function refused(error: FieldError): Checked {
  return { valid: false, errors: [error] };
}

function noAction({ index, flaw }: Line): ProblemError {
  const why = flaw === undefined ? '' : `: ${flaw.message}`;
  const detail = `Line ${index + 1} must be an action, an object with one member of ${ACTIONS.join(', ')}${why}. The documents before it may have been published; the ids make it safe to send them again.`;
  return new ProblemError(problem('malformed-json', 400, detail));
}
