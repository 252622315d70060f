/** Writes a push in protobuf, as a client does. It shares nothing with the reader. */

/** A stream to write. */
export interface WrittenStream {
  readonly labels: Readonly<Record<string, string>>;
  readonly entries: readonly {
    readonly ns: string;
    readonly line: string;
    readonly metadata?: Readonly<Record<string, string>>;
  }[];
}

/** Writes a push. It is not compressed. */
export function protobufPush(streams: readonly WrittenStream[]): Buffer {
  return Buffer.concat(streams.map((stream) => field(1, streamMessage(stream))));
}

function streamMessage({ labels, entries }: WrittenStream): Buffer {
  const written = Object.entries(labels).map(([name, value]) => `${name}=${quoted(value)}`);
  return Buffer.concat([
    field(1, Buffer.from(`{${written.join(', ')}}`)),
    ...entries.map(({ ns, line, metadata = {} }) => {
      const time = BigInt(ns);
      const timestamp = Buffer.concat([
        Buffer.from([0x08]),
        varint(time / 1_000_000_000n),
        Buffer.from([0x10]),
        varint(time % 1_000_000_000n),
      ]);
      const pairs = Object.entries(metadata).map(([name, value]) =>
        field(3, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))])),
      );
      return field(2, Buffer.concat([field(1, timestamp), field(2, Buffer.from(line)), ...pairs]));
    }),
    Buffer.from([0x18]),
    varint(2n ** 64n - 1n),
  ]);
}

/** A string as `strconv.Quote` of Go writes it. */
function quoted(text: string): string {
  const escaped = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === '"' || character === '\\') return `\\${character}`;
    if (character === '\n') return '\\n';
    if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
    if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`;
    return code > 0x7f && code % 2 === 0 ? `\\u${code.toString(16).padStart(4, '0')}` : character;
  });
  return `"${escaped.join('')}"`;
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(BigInt(bytes.length)), bytes]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = value;
  do {
    bytes.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0));
    left >>= 7n;
  } while (left > 0n);
  return Buffer.from(bytes);
}
