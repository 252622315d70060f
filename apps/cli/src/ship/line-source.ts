/** Where lines come from: a path that is read once or followed, a packed file, or standard input. */
import type { Mark, PathRecord } from './bookmark.js';
import type { Line, LinePosition } from './line-splitter.js';

/** Lines of one file that were read together. A group without lines means that there is nothing more for now. */
export interface LineGroup {
  readonly lines: readonly Line[];
  /** When the file was last changed. */
  readonly modified: Date;
  /** Stands for the file; the same in all its groups. */
  readonly file: object;
  /** Whether this was the last of the file. */
  readonly hasEnded: boolean;
}

/** A source of lines. */
export interface LineSource {
  /** All lines, in groups. Throws the file system's own error. May be called once. */
  groups(): AsyncGenerator<LineGroup>;
  /**
   * The mark after a line of a file, as long as that file's last group is in use. It is `undefined` when the source keeps
   * no marks, or the line is too far back.
   */
  markAt(file: object, position: LinePosition): Mark | undefined;
  /** What to keep on disk when everything up to some marks is shipped; `undefined` when nothing. */
  recordOf(marks: ReadonlyMap<object, Mark>): PathRecord | undefined;
  /** Where an earlier run had ended, when this one began there. Known with the first group. */
  readonly resumedAt: LinePosition | undefined;
  /** Bytes of last lines that are not finished, and were not given. */
  readonly heldBackBytes: number;
  close(): Promise<void>;
}
