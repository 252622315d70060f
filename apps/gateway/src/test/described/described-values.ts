/** Values that a JSON Schema permits, drawn by fast-check. */
import fc, { type Arbitrary } from 'fast-check';
import { textOf } from '../../description/markup.js';
import type { Schema } from '../../description/operation.js';
import type { DescribedSchemas } from './described-schemas.js';

const DEPTH_MAX = 4;
const TEXT_LENGTH_MAX = 40;
const ITEMS_MAX = 4;
const MORE_MEMBERS_MAX = 3;

const two = (number: number): string => String(number).padStart(2, '0');

/** Instants of ISO 8601, in more forms than those of `Date`. */
const INSTANTS: Arbitrary<string> = fc
  .record({
    date: fc.date({ min: new Date('0002-01-01'), max: new Date('9998-12-31'), noInvalidDate: true }),
    fraction: fc.option(fc.stringMatching(/^[.,]\d{1,12}$/), { nil: '' }),
    zone: fc.oneof(
      fc.constantFrom('Z', 'z'),
      fc
        .tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 59 }))
        .map(([sign, hours, minutes]) => `${sign}${two(hours)}:${two(minutes)}`),
    ),
  })
  .map(({ date, fraction, zone }) => `${date.toISOString().slice(0, 19)}${fraction}${zone}`);

/** Draws values. */
export class DescribedValues {
  /** @param known values of schemas by name, which exist in the system */
  constructor(
    private readonly schemas: DescribedSchemas,
    private readonly known: Readonly<Record<string, readonly string[]>> = {},
  ) {}

  /** Values of a schema. */
  of(schema: Schema, depth = 0): Arbitrary<unknown> {
    const name = /^#\/components\/schemas\/(.+)$/.exec(textOf(schema['$ref']))?.[1];
    if (name === undefined) return this.plain(schema, depth);
    if (name === 'Timestamp') return INSTANTS;
    const drawn = this.plain(this.schemas.resolved(schema), depth).filter(
      (value) => this.schemas.error(['components', 'schemas', name], value) === undefined,
    );
    const known = this.known[name];
    return known === undefined
      ? drawn
      : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: drawn });
  }

  private plain(schema: Schema, depth: number): Arbitrary<unknown> {
    if (schema['const'] !== undefined) return fc.constant(schema['const']);
    if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
    const whole = schema['allOf'] as readonly Schema[] | undefined;
    // What restricts the whole is applied by the filter.
    if (whole?.[0] !== undefined) return this.of(whole[0], depth);
    const choices = (schema['oneOf'] ?? schema['anyOf']) as readonly Schema[] | undefined;
    // A choice without types restricts the members next to it, and the filter applies it.
    if (choices !== undefined && schema['properties'] === undefined) {
      // The deepest level has values without members.
      const open = depth < DEPTH_MAX ? choices : choices.slice(0, 1);
      return fc.oneof(...open.map((choice) => this.of(choice, depth)));
    }
    const types = [schema['type'] ?? 'object'].flat() as string[];
    return fc.oneof(...types.map((one) => this.typed(one, schema, depth)));
  }

  private typed(type: string, schema: Schema, depth: number): Arbitrary<unknown> {
    switch (type) {
      case 'null':
        return fc.constant(null);
      case 'boolean':
        return fc.boolean();
      case 'integer':
        return fc.integer({ min: (schema['minimum'] as number | undefined) ?? -1_000, max: 100_000 });
      case 'number':
        return fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
      case 'string':
        return this.text(schema);
      case 'array':
        return this.array(schema, depth);
      case 'object':
        return this.object(schema, depth);
      default:
        throw new Error(`no values of type ${type} can be drawn`);
    }
  }

  private text({ pattern, minLength, maxLength }: Schema): Arbitrary<string> {
    const bounds = {
      minLength: (minLength as number | undefined) ?? 0,
      maxLength: Math.min((maxLength as number | undefined) ?? TEXT_LENGTH_MAX, TEXT_LENGTH_MAX),
    };
    const free = fc.oneof(fc.string(bounds), fc.string({ ...bounds, unit: 'grapheme' }));
    if (typeof pattern !== 'string') return free;
    const form = new RegExp(pattern, 'u');
    // What forbids only some characters permits nearly every text.
    return pattern.startsWith('^[^')
      ? free.filter((text) => form.test(text))
      : fc
          .stringMatching(form)
          .filter((text) => text.length <= ((maxLength as number | undefined) ?? Infinity));
  }

  private array({ items = {}, minItems, prefixItems }: Schema, depth: number): Arbitrary<unknown[]> {
    if (Array.isArray(prefixItems)) {
      const places = (prefixItems as Schema[]).map((item) => this.of(item, depth + 1));
      const length = fc.integer({ min: (minItems as number | undefined) ?? 0, max: places.length });
      return fc.tuple(fc.tuple(...places), length).map(([all, count]) => all.slice(0, count));
    }
    const bounds = { minLength: (minItems as number | undefined) ?? 0, maxLength: ITEMS_MAX };
    return fc.array(this.of(items as Schema, depth + 1), bounds);
  }

  private object(schema: Schema, depth: number): Arbitrary<object> {
    const members = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Schema>>);
    const drawn = members.filter(([, member]) => member['x-opaque'] !== true);
    const named = fc.record(
      Object.fromEntries(drawn.map(([name, member]) => [name, this.of(member, depth + 1)])),
      { requiredKeys: (schema['required'] ?? []) as string[] },
    );
    const more = schema['additionalProperties'];
    if (typeof more !== 'object' || more === null || depth >= DEPTH_MAX) return named;
    const names = this.of({ type: 'string', ...((schema['propertyNames'] ?? {}) as Schema) });
    const others = fc.dictionary(names as Arbitrary<string>, this.of(more as Schema, depth + 1), {
      maxKeys: MORE_MEMBERS_MAX,
    });
    return fc.tuple(others, named).map(([free, fixed]) => ({ ...free, ...fixed }));
  }
}
