/**
 * Writing and recognising Parquet files of events.
 *
 * Three writers were considered: `parquet-wasm` holds a table in its own memory, `@dsnp/parquetjs` brings clients of
 * cloud storage, and `hyparquet-writer` is plain JavaScript, takes one row group after the other, and writes the
 * encodings that today's readers know. Pages are compressed with gzip, which every reader has and Node brings.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { StoredEvent } from '#store';
import { READ_SCHEMA, RowGroup, WRITTEN_SCHEMA } from './event-columns.js';

/** A footer of some hundred row groups has this size. Of a larger one, the rest is read as well. */
const FOOTER_BYTES = 65_536;
const GZIP_LEVEL = 4;

/** What a file says of itself, in its footer. */
export type Marks = Readonly<Record<string, string>>;

/** What the footer of a file says. */
export interface Footer {
  readonly events: number;
  readonly marks: Marks;
}

/** The bytes of a row group, until they are in the file. */
class FileBytes extends ByteWriter {
  constructor(private readonly file: FileHandle) {
    super();
  }

  /** The library calls it after each row group, and waits for it. */
  async flush(): Promise<void> {
    await this.file.writeFile(this.getBytes());
    this.index = 0;
  }
}

/** A file that is being written. It holds one row group in memory. */
export class ParquetFile {
  private group = new RowGroup();
  private written = 0;

  private constructor(
    private readonly file: FileHandle,
    private readonly bytes: FileBytes,
    private readonly writer: ParquetWriter,
  ) {}

  /** Creates a file, which must not exist. Throws the file system's own error, as all of this does. */
  static async create(path: string, marks: Marks): Promise<ParquetFile> {
    const file = await open(path, 'wx');
    const bytes = new FileBytes(file);
    const writer = new ParquetWriter({
      ...{ writer: bytes, schema: WRITTEN_SCHEMA, createdBy: 'sekali', codec: 'GZIP' },
      compressors: { GZIP: (page) => gzipSync(page, { level: GZIP_LEVEL }) },
      kvMetadata: Object.entries(marks).map(([key, value]) => ({ key, value })),
    });
    return new ParquetFile(file, bytes, writer);
  }

  /** How many events were added. */
  get events(): number {
    return this.written + this.group.rows;
  }

  async add(events: readonly StoredEvent[]): Promise<void> {
    for (const event of events) {
      this.group.add(event);
      if (this.group.isFull) await this.writeGroup();
    }
  }

  /** Writes what is left and the footer, to the disk. @returns the size of the file in bytes */
  async finish(): Promise<number> {
    await this.writeGroup();
    this.writer.schema = READ_SCHEMA;
    await this.writer.finish();
    await this.bytes.flush();
    await this.file.sync();
    return this.bytes.offset;
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async writeGroup(): Promise<void> {
    const { group } = this;
    if (group.rows === 0) return;
    this.group = new RowGroup();
    this.written += group.rows;
    await this.writer.write({ columnData: group.columns(), rowGroupSize: group.rows });
  }
}

/**
 * Reads the footer of a file.
 *
 * @returns how many events the file has and what it says of itself; `undefined` when it is not a whole Parquet file
 * @throws the file system's own error, for example when there is no such file
 */
export async function readFooter(path: string): Promise<Footer | undefined> {
  const buffer = await asyncBufferFromFile(path);
  try {
    const options = { initialFetchSize: FOOTER_BYTES, geoparquet: false };
    const metadata = await parquetMetadataAsync(buffer, options);
    const pairs = metadata.key_value_metadata?.map(({ key, value }) => [key, value ?? ''] as const);
    return { events: Number(metadata.num_rows), marks: Object.fromEntries(pairs ?? []) };
  } catch {
    return undefined;
  }
}
