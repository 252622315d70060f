import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import {
  eventPage,
  FIRST_POSITION,
  TooManyTopicsError,
  type AckFloor,
  type EventPage,
  type EventFilter,
  type EventPosition,
  type Queryable,
} from '#store';
import { databaseAnswer } from '../database-answer.js';
import { readCursor } from '../events/event-cursor.js';
import { forTopics, tooManyTopics } from '../events/event-reader.js';
import { eventViewText } from '../events/event-text.js';
import {
  FILTER_PARAMETERS,
  readFilter,
  refuseOtherParameters,
  wrongParameter,
} from '../events/filter-query.js';
import type { PageRoom } from '../events/page-room.js';
import type { Access } from '../keys/access.js';
import { CSV_HEAD, csvLine } from './csv-line.js';

/** Who exports, and in which form. */
export interface Exporter {
  readonly access: Access;
  readonly address: string;
  /** Whether the client takes gzip. */
  readonly takesGzip: boolean;
  /** Called for each page that is read, also where nothing of it matches. */
  readonly onPage?: () => void;
}

/** A body that is written while it is read. */
export interface Exported {
  readonly body: Readable;
  readonly type: string;
  readonly isGzip: boolean;
}

const FORMATS = {
  ndjson: { type: 'application/x-ndjson', head: '', line: eventViewText },
  csv: { type: 'text/csv', head: CSV_HEAD, line: csvLine },
} as const;

type Format = (typeof FORMATS)[keyof typeof FORMATS];

const EVENTS_PER_PAGE = 1_000;
const PAGE_BYTES_MAX = 1_048_576;
const PAGE_MS_MAX = 12_000;

/**
 * Exports all events that match, in the order of the stream, up to the newest that is settled.
 *
 * A page is read when the client has taken the one before. So an export holds one page, however large it is and however
 * slow the client. One that leaves ends it with the page that is being read. If the store does not answer, the connection is cut: a body that ends is whole.
 */
export class EventExport {
  /** @param room of the exports under way */
  constructor(
    private readonly database: Queryable,
    private readonly ackFloor: AckFloor,
    private readonly room: PageRoom,
  ) {}

  /**
   * Begins an export. The first page is read before it returns, so that what is wrong is an answer.
   *
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover, 503 when the database does
   *   not answer or too many exports are under way
   */
  async begin(queryString: string, { access, address, takesGzip, onPage }: Exporter): Promise<Exported> {
    const parameters = new URLSearchParams(queryString);
    refuseOtherParameters(parameters, [...FILTER_PARAMETERS, 'format', 'cursor']);
    const { filter, possible } = forTopics(readFilter(parameters), access);
    const format = readFormat(parameters.get('format'));
    const cursor = parameters.get('cursor');
    const from = cursor === null ? FIRST_POSITION : readCursor(cursor);
    const meant = possible ? filter : { ...filter, topics: [] };
    const share = await this.room.take(access.keyId ?? address, 1);
    const release = (): void => {
      share.release();
    };
    const pageAfter = async (after: EventPosition): Promise<EventPage> => {
      onPage?.();
      return this.page(meant, after);
    };
    const first = await pageAfter(from).catch((error: unknown) => {
      release();
      throw error instanceof TooManyTopicsError ? tooManyTopics() : error;
    });
    const plain = Readable.from(this.texts(first, pageAfter, format), { objectMode: false });
    plain.once('close', release);
    // An error of the pages destroys the body, which cuts the connection.
    const body = takesGzip ? pipeline(plain, createGzip(), () => undefined) : plain;
    return { body, type: `${format.type}; charset=utf-8`, isGzip: takesGzip };
  }

  private async *texts(
    first: EventPage,
    pageAfter: (after: EventPosition) => Promise<EventPage>,
    format: Format,
  ): AsyncGenerator<string> {
    if (format.head !== '') yield format.head;
    for (let page = first; ; page = await pageAfter(page.end)) {
      // A page without a match yields a text without a character: only there can a body that is destroyed stop.
      yield page.events.map((event) => `${format.line(event)}\n`).join('');
      if (page.next === undefined || page.isWaiting === true) return;
    }
  }

  private async page(filter: EventFilter, after: EventPosition): Promise<EventPage> {
    const reading = eventPage(this.database, filter, after, EVENTS_PER_PAGE, this.ackFloor, PAGE_BYTES_MAX);
    return databaseAnswer(PAGE_MS_MAX, reading);
  }
}

function readFormat(text: string | null): Format {
  if (text === null || text === 'ndjson') return FORMATS.ndjson;
  if (text === 'csv') return FORMATS.csv;
  throw wrongParameter('format', '"format" must be ndjson or csv.');
}
