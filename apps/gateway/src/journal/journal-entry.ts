/** One entry of a journal: its fields in the order sent. A name may come several times. */

/** A field: its name, and its value as JSON: a string, `{"base64":…}`, or null where it was too large. */
export type JournalField = readonly [name: string, value: string];

/** An entry. */
export interface JournalEntry {
  /** Its number in the upload, from 0. */
  readonly index: number;
  /** Bytes of names and values. */
  readonly size: number;
  readonly fields: readonly JournalField[];
}

/** The first value of a field when it is text, and `undefined` otherwise. */
export function textOf({ fields }: JournalEntry, name: string): string | undefined {
  const value = fields.find((field) => field[0] === name)?.[1];
  return value?.startsWith('"') === true ? (JSON.parse(value) as string) : undefined;
}
