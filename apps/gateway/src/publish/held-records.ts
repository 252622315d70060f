import type { Piece, PieceSource } from './line-publishing.js';

/** A record of a body that has arrived as a whole. */
export interface HeldRecord<Record> extends Piece {
  readonly record: Record;
}

/** The records of a body that has arrived as a whole. They are read one by one, so only the body itself is held. */
export class HeldRecords<Record> implements PieceSource<HeldRecord<Record>> {
  private taken = 0;
  private failure: Error | undefined;

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
    while (this.failure === undefined && pieces.length < countMax) {
      const record = this.read();
      if (record === undefined) break;
      pieces.push({ index: this.taken++, size: this.sizeOf(record), record });
    }
    if (pieces.length > 0) return Promise.resolve(pieces);
    return this.failure === undefined ? Promise.resolve(undefined) : Promise.reject(this.failure);
  }

  skipRest(): Promise<void> {
    return Promise.resolve();
  }

  /** The next record, or `undefined` at the end. What is wrong is thrown behind the records before it. */
  private read(): Record | undefined {
    try {
      return this.records.next().value;
    } catch (error) {
      this.failure = error as Error;
      return undefined;
    }
  }
}
