/**
 * The columns of an exported file, and the events of one row group as such columns.
 *
 * Instants keep their microseconds. A payload is Postgres' own JSON text: parsing and printing it again would round its
 * large numbers.
 */
import type { ColumnSource, SchemaElement } from 'hyparquet-writer';
import { epochMicroseconds } from '#postgres';
import type { StoredEvent } from '#store';

/** Readers in parallel take a row group each. With more rows they are fewer, and each takes more memory. */
const GROUP_ROWS_MAX = 100_000;
/** The text of a group's payloads, in characters. A group is held in memory twice, once as texts and once as bytes. */
const GROUP_CHARACTERS_MAX = 33_554_432;

type Value = string | bigint;
interface Column {
  readonly element: SchemaElement;
  /** What differs from the writer's defaults. */
  readonly written?: Pick<ColumnSource, 'encoding' | 'statistics'>;
  readonly valueOf: (event: StoredEvent) => Value;
}

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' } as const;
const INSTANT = {
  type: 'INT64',
  converted_type: 'TIMESTAMP_MICROS',
  logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  repetition_type: 'REQUIRED',
} as const;

/** Numbers that follow each other closely: a sequence takes no room, and an instant little. */
const DELTAS = { encoding: 'DELTA_BINARY_PACKED' } as const;

const COLUMNS: readonly Column[] = [
  { element: { ...TEXT, name: 'topic' }, valueOf: ({ topic }) => topic },
  { element: { ...TEXT, name: 'event_id' }, valueOf: ({ eventId }) => eventId },
  {
    element: { ...INSTANT, name: 'timestamp' },
    written: DELTAS,
    valueOf: ({ timestamp }) => epochMicroseconds(timestamp),
  },
  { element: { ...TEXT, name: 'source' }, valueOf: ({ source }) => source },
  {
    element: { ...TEXT, name: 'payload' },
    // The least and the greatest text would stand in the footer, whole.
    written: { statistics: false },
    valueOf: ({ payload }) => payload,
  },
  {
    element: { name: 'seq', type: 'INT64', repetition_type: 'REQUIRED' },
    written: DELTAS,
    valueOf: ({ seq }) => BigInt(seq),
  },
  {
    element: { ...INSTANT, name: 'published_at' },
    written: DELTAS,
    valueOf: ({ publishedAt }) => epochMicroseconds(publishedAt),
  },
  {
    element: { ...INSTANT, name: 'stored_at' },
    written: DELTAS,
    valueOf: ({ storedAt }) => epochMicroseconds(storedAt),
  },
];

/** The schema with which values are written. */
export const WRITTEN_SCHEMA: SchemaElement[] = [
  { name: 'event', num_children: COLUMNS.length },
  ...COLUMNS.map(({ element }) => element),
];

/**
 * The schema for readers. The writer prints the values of JSON columns by itself, and a payload is such a text already.
 * So it is written as text, which has the same bytes.
 */
export const READ_SCHEMA: SchemaElement[] = WRITTEN_SCHEMA.map((element) =>
  element.name === 'payload'
    ? { ...element, converted_type: 'JSON', logical_type: { type: 'JSON' } }
    : element,
);

/** Events that are written together. */
export class RowGroup {
  private readonly values: Value[][] = COLUMNS.map(() => []);
  private characters = 0;

  get rows(): number {
    return this.values[0]?.length ?? 0;
  }

  /** Whether it has to be written before more is added. */
  get isFull(): boolean {
    return this.rows >= GROUP_ROWS_MAX || this.characters >= GROUP_CHARACTERS_MAX;
  }

  add(event: StoredEvent): void {
    for (const [index, { valueOf }] of COLUMNS.entries()) this.values[index]?.push(valueOf(event));
    this.characters += event.payload.length;
  }

  columns(): ColumnSource[] {
    return COLUMNS.map(({ element: { name }, written }, index) => ({
      ...{ name, data: this.values[index] ?? [] },
      ...written,
    }));
  }
}
