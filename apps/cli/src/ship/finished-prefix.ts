/** The end of an unbroken row of finished pieces, which finish in any order. */
export class FinishedPrefix<T> {
  private readonly pieces: { end: T; finished: boolean }[] = [];
  private reached: T | undefined;

  /**
   * Notes a piece that begins where the last one ended. The caller calls the returned function when the piece is
   * finished.
   */
  begin(end: T): () => void {
    const piece = { end, finished: false };
    this.pieces.push(piece);
    return () => {
      piece.finished = true;
      while (this.pieces[0]?.finished) this.reached = this.pieces.shift()?.end;
    };
  }

  /** Everything up to here is finished. */
  get end(): T | undefined {
    return this.reached;
  }
}
