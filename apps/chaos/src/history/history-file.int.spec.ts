/** Writer and reader on a real file. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HistoryReader } from './history-reader.js';
import { HistoryWriter } from './history-writer.js';
import type { Completion, Invocation, Operation } from './operation.js';

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekali-history-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const newPath = (): string => join(folder, `${(files += 1)}.jsonl`);

const invocation = (op: number): Invocation => ({
  type: 'invoke',
  op,
  atMs: op * 10,
  producer: 'http-1',
  via: 'http',
  messages: [['chaos.r1.t00', `0-${op}`, 0, op % 2 === 0 ? 'nul' : null]],
});
const completion = (op: number): Completion => ({
  type: 'info',
  op,
  atMs: op * 10 + 5,
  messages: [['info', 0, 0]],
  reason: 'timeout – späť',
});

async function write(path: string, operations: readonly Operation[]): Promise<void> {
  const writer = await HistoryWriter.create(path);
  await Promise.all(operations.map((operation) => writer.append(operation)));
  await writer.close();
}

async function read(path: string): Promise<{ operations: Operation[]; tornLine: string | undefined }> {
  const reader = new HistoryReader(path);
  const operations: Operation[] = [];
  for await (const operation of reader) operations.push(operation);
  return { operations, tornLine: reader.tornLine };
}

describe('a history file', () => {
  it('returns what was appended, in order, over many chunks of the file', async () => {
    const path = newPath();
    const operations = Array.from({ length: 5_000 }, (_, n) => [invocation(n), completion(n)]).flat();
    await write(path, operations);
    expect(await read(path)).toEqual({ operations, tornLine: undefined });
  });

  it('has a line when its append has resolved, before the file is closed', async () => {
    const path = newPath();
    const writer = await HistoryWriter.create(path);
    await writer.append(invocation(1));
    expect((await read(path)).operations).toEqual([invocation(1)]);
    await Promise.all([writer.append(completion(1)), writer.append(invocation(2))]);
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(4);
    await writer.close();
    await writer.close();
    await expect(writer.append(invocation(3))).rejects.toThrow('closed');
  });

  it('is never overwritten', async () => {
    const path = newPath();
    await write(path, [invocation(1)]);
    await expect(HistoryWriter.create(path)).rejects.toThrow('EEXIST');
  });

  it('may end in the middle of a line', async () => {
    const path = newPath();
    await write(path, [invocation(1), completion(1)]);
    await appendFile(path, '{"type":"invoke","op":2,"atM');
    expect(await read(path)).toEqual({
      operations: [invocation(1), completion(1)],
      tornLine: '{"type":"invoke","op":2,"atM',
    });
  });

  it('counts a last line without a line feed if it is complete', async () => {
    const path = newPath();
    await writeFile(path, JSON.stringify(invocation(1)));
    expect(await read(path)).toEqual({ operations: [invocation(1)], tornLine: undefined });
  });

  it.each([
    ['{"type":"invoke"', 'half a line'],
    ['', 'an empty line'],
    ['{"type":"maybe","op":1,"atMs":1,"messages":[]}', 'an unknown type'],
    ['null', 'no object'],
  ])('with %s in the middle is refused: %s', async (line) => {
    const path = newPath();
    await writeFile(path, `${JSON.stringify(invocation(1))}\n${line}\n${JSON.stringify(invocation(2))}\n`);
    await expect(read(path)).rejects.toThrow(`${path}, line 2 is not an operation`);
  });

  it('without content has no operations', async () => {
    const path = newPath();
    await write(path, []);
    expect(await read(path)).toEqual({ operations: [], tornLine: undefined });
  });
});
