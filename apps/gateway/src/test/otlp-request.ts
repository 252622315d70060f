/**
 * Writes requests of OTLP logs in both encodings, for tests. It shares nothing with the readers under test, and can
 * write what the SDK cannot: integers of 64 bits, bytes, and fields in any order.
 */

/** A value; an integer is a bigint, and a double a number. */
export type OtlpValue =
  | string
  | boolean
  | bigint
  | number
  | null
  | Buffer
  | readonly OtlpValue[]
  | { readonly members: readonly OtlpAttribute[] };

/** A name and a value. */
export type OtlpAttribute = readonly [name: string, value: OtlpValue];

/** A record. Ids are hex. */
export interface OtlpRecord {
  readonly time?: bigint;
  readonly observedTime?: bigint;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly eventName?: string;
  readonly body?: OtlpValue;
  readonly attributes?: readonly OtlpAttribute[];
  readonly droppedAttributes?: number;
  readonly flags?: number;
  readonly traceId?: string;
  readonly spanId?: string;
}

/** Records with one resource and one scope. */
export interface OtlpGroup {
  readonly resource?: readonly OtlpAttribute[];
  readonly resourceSchemaUrl?: string;
  readonly scope?: {
    readonly name?: string;
    readonly version?: string;
    readonly attributes?: readonly OtlpAttribute[];
  };
  readonly scopeSchemaUrl?: string;
  readonly records: readonly OtlpRecord[];
}

/** The ways of one client to write the same request. */
export interface OtlpManner {
  /** Puts members or fields into an order. */
  readonly order: <T>(fields: readonly T[]) => readonly T[];
  /** Whether integers of 64 bits are strings in JSON. */
  readonly asStrings: boolean;
}

/** The manner of most clients. */
export const USUAL: OtlpManner = { order: (fields) => fields, asStrings: true };

/** A request in the JSON encoding. */
export function otlpJson(groups: readonly OtlpGroup[], manner: OtlpManner = USUAL): string {
  return new JsonText(manner).request(groups);
}

/** A request in protobuf. */
export function otlpProtobuf(groups: readonly OtlpGroup[], manner: OtlpManner = USUAL): Buffer {
  return new Wire(manner).request(groups);
}

class JsonText {
  constructor(private readonly manner: OtlpManner) {}

  request(groups: readonly OtlpGroup[]): string {
    return this.object({ resourceLogs: list(groups.map((group) => this.group(group))) });
  }

  private group(group: OtlpGroup): string {
    const { resource, scope, records } = group;
    const scopeLogs = this.object({
      scope: scope && this.object({ ...this.texts(scope), attributes: this.attributes(scope.attributes) }),
      logRecords: list(records.map((record) => this.record(record))),
      schemaUrl: quoted(group.scopeSchemaUrl),
    });
    return this.object({
      resource: resource && this.object({ attributes: this.attributes(resource) }),
      scopeLogs: list([scopeLogs]),
      schemaUrl: quoted(group.resourceSchemaUrl),
    });
  }

  private texts({ name, version }: { name?: string; version?: string }): Record<string, string | undefined> {
    return { name: quoted(name), version: quoted(version) };
  }

  private record(record: OtlpRecord): string {
    return this.object({
      timeUnixNano: this.integer(record.time),
      observedTimeUnixNano: this.integer(record.observedTime),
      severityNumber: record.severityNumber?.toString(),
      severityText: quoted(record.severityText),
      eventName: quoted(record.eventName),
      body: record.body === undefined ? undefined : this.value(record.body),
      attributes: this.attributes(record.attributes),
      droppedAttributesCount: record.droppedAttributes?.toString(),
      flags: record.flags?.toString(),
      traceId: quoted(record.traceId?.toUpperCase()),
      spanId: quoted(record.spanId),
    });
  }

  private attributes(attributes: readonly OtlpAttribute[] | undefined): string | undefined {
    return attributes && list(attributes.map((attribute) => this.attribute(attribute)));
  }

  private attribute([name, value]: OtlpAttribute): string {
    return this.object({ key: quoted(name), value: this.value(value) });
  }

  private value(value: OtlpValue): string {
    if (value === null) return '{}';
    if (typeof value === 'string') return this.object({ stringValue: quoted(value) });
    if (typeof value === 'boolean') return this.object({ boolValue: String(value) });
    if (typeof value === 'bigint') return this.object({ intValue: this.integer(value) });
    if (typeof value === 'number') return this.object({ doubleValue: doubleInJson(value) });
    if (Buffer.isBuffer(value)) return this.object({ bytesValue: quoted(value.toString('base64')) });
    if ('members' in value) {
      const values = list(value.members.map((attribute) => this.attribute(attribute)));
      return this.object({ kvlistValue: this.object({ values }) });
    }
    return this.object({ arrayValue: this.object({ values: list(value.map((one) => this.value(one))) }) });
  }

  private integer(value: bigint | undefined): string | undefined {
    return this.manner.asStrings ? quoted(value?.toString()) : value?.toString();
  }

  private object(members: Readonly<Record<string, string | undefined>>): string {
    const set = Object.entries(members).filter(([, value]) => value !== undefined);
    return `{${this.manner
      .order(set)
      .map(([name, value]) => `"${name}":${value ?? ''}`)
      .join(', ')}}`;
  }
}

class Wire {
  constructor(private readonly manner: OtlpManner) {}

  request(groups: readonly OtlpGroup[]): Buffer {
    return Buffer.concat(groups.map((group) => delimited(1, this.group(group))));
  }

  private group(group: OtlpGroup): Buffer {
    const { resource, scope, records } = group;
    const scopeLogs = this.message([
      scope && [delimited(1, this.scope(scope))],
      records.map((record) => delimited(2, this.record(record))),
      text(3, group.scopeSchemaUrl),
    ]);
    return this.message([
      resource && [delimited(1, this.message([this.attributes(1, resource)]))],
      [delimited(2, scopeLogs)],
      text(3, group.resourceSchemaUrl),
    ]);
  }

  private scope({ name, version, attributes }: NonNullable<OtlpGroup['scope']>): Buffer {
    return this.message([text(1, name), text(2, version), this.attributes(3, attributes)]);
  }

  private record(record: OtlpRecord): Buffer {
    const { time, observedTime, severityNumber, droppedAttributes, flags, traceId, spanId } = record;
    return this.message([
      time === undefined ? undefined : [fixed64(1, time)],
      severityNumber === undefined ? undefined : [varintField(2, BigInt(severityNumber))],
      text(3, record.severityText),
      record.body === undefined ? undefined : [delimited(5, this.value(record.body))],
      this.attributes(6, record.attributes),
      droppedAttributes === undefined ? undefined : [varintField(7, BigInt(droppedAttributes))],
      flags === undefined ? undefined : [fixed32(8, flags)],
      traceId === undefined ? undefined : [delimited(9, Buffer.from(traceId, 'hex'))],
      spanId === undefined ? undefined : [delimited(10, Buffer.from(spanId, 'hex'))],
      observedTime === undefined ? undefined : [fixed64(11, observedTime)],
      text(12, record.eventName),
    ]);
  }

  private attributes(field: number, attributes: readonly OtlpAttribute[] = []): Buffer[] {
    return attributes.map((attribute) => delimited(field, this.attribute(attribute)));
  }

  private attribute([name, value]: OtlpAttribute): Buffer {
    return this.message([text(1, name), [delimited(2, this.value(value))]]);
  }

  private value(value: OtlpValue): Buffer {
    if (value === null) return Buffer.alloc(0);
    if (typeof value === 'string') return delimited(1, Buffer.from(value));
    if (typeof value === 'boolean') return varintField(2, value ? 1n : 0n);
    if (typeof value === 'bigint') return varintField(3, BigInt.asUintN(64, value));
    if (typeof value === 'number') return double(4, value);
    if (Buffer.isBuffer(value)) return delimited(7, value);
    if ('members' in value) return delimited(6, Buffer.concat(this.attributes(1, value.members)));
    return delimited(5, Buffer.concat(value.map((one) => delimited(1, this.value(one)))));
  }

  /** A message of fields, of which each may come several times. */
  private message(fields: readonly (readonly Buffer[] | undefined)[]): Buffer {
    return Buffer.concat(this.manner.order(fields.filter((field) => field !== undefined)).flat());
  }
}

function quoted(value: string | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

function list(values: readonly string[]): string {
  return `[${values.join(' ,')}]`;
}

function doubleInJson(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0.0' : String(value);
}

function text(field: number, value: string | undefined): Buffer[] | undefined {
  return value === undefined ? undefined : [delimited(field, Buffer.from(value))];
}

/** A field of a length and as many bytes. */
export function delimited(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(field * 8 + 2)), varint(BigInt(bytes.length)), bytes]);
}

/** A field of one integer. */
export function varintField(field: number, value: bigint): Buffer {
  return Buffer.concat([varint(BigInt(field * 8)), varint(value)]);
}

/** A field of 64 bits. */
export function fixed64(field: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return Buffer.concat([varint(BigInt(field * 8 + 1)), bytes]);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([varint(BigInt(field * 8 + 1)), bytes]);
}

/** A field of 32 bits. */
export function fixed32(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return Buffer.concat([varint(BigInt(field * 8 + 5)), bytes]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}
