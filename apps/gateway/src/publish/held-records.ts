import type { Piece, PieceSource } from './line-publishing.js';

/** A record of a body that has arrived as a whole. */
export interface HeldRecord<Record> extends Piece {
  readonly record: Record;
}

/** The records of a body that has arrived as a whole. They are read one by one, so only the body itself is held. */
export class HeldRecords<Record> implements PieceSource<HeldRecord<Record>> {
  private taken = 0;

  /**
   * @param records reads the next record, and throws where it cannot
   * @param sizeOf about as many characters as a record has
   */
  constructor(
    private readonly records: Iterator<Record, undefined>,
    private readonly sizeOf: (record: Record) => number,
  ) {}

  get lines(): number {
    return this.taken;
  }

  next(countMax: number): Promise<readonly HeldRecord<Record>[] | undefined> {
    const pieces: HeldRecord<Record>[] = [];
    for (let step; pieces.length < countMax;) {
      step = this.records.next();
      if (step.done === true) break;
      pieces.push({ index: this.taken++, size: this.sizeOf(step.value), record: step.value });
    }
    return Promise.resolve(pieces.length === 0 ? undefined : pieces);
  }

  skipRest(): Promise<void> {
    return Promise.resolve();
  }
}
