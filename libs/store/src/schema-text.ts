/**
 * Describes the schema as text, from the database's own catalogue.
 *
 * `libs/store/schema.sql` is this text. A reader sees the schema there without running the migrations, and a test
 * checks that the migrations still create it. The text has the form of SQL, sorted by name. The partitions of single
 * days are left out, because they depend on the date.
 */
import type { Queryable } from '#postgres';

const TABLES = `
SELECT c.oid::int AS id, c.relname AS name, pg_get_partkeydef(c.oid) AS partition_key,
  array_to_string(c.reloptions, ', ') AS options, obj_description(c.oid) AS comment,
  pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'sekali' AND c.relkind IN ('r', 'p') AND c.relname !~ '^event_[0-9]{8}(_[0-9]{4})?$' AND c.relname <> 'migration'
ORDER BY c.relname`;

const COLUMNS = `
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
  CASE WHEN a.attcollation <> t.typcollation THEN co.collname END AS collation,
  pg_get_expr(d.adbin, d.adrelid) AS initial, a.attidentity <> '' AS identity,
  col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum`;

const CONSTRAINTS = `
SELECT conname AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE conrelid = $1 AND contype <> 'n' ORDER BY conname`;

const INDEXES = `
SELECT pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
ORDER BY c.relname`;

const TRIGGERS = `
SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal ORDER BY tgname`;

const VIEWS = `
SELECT relname AS name, pg_get_viewdef(oid) AS definition, obj_description(oid) AS comment
FROM pg_class WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'v' ORDER BY relname`;

const FUNCTIONS = `
SELECT pg_get_functiondef(oid) AS definition FROM pg_proc WHERE pronamespace = 'sekali'::regnamespace ORDER BY proname`;

interface Table {
  readonly id: number;
  readonly name: string;
  readonly partition_key: string | null;
  readonly options: string | null;
  readonly comment: string | null;
  readonly bound: string | null;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly collation: string | null;
  readonly initial: string | null;
  readonly identity: boolean;
  readonly comment: string | null;
}

/** Describes schema `sekali` as it is now, without the table of migrations. */
export async function schemaText(database: Queryable): Promise<string> {
  const { rows: tables } = await database.query<Table>(TABLES);
  const parts = ['CREATE SCHEMA sekali;'];
  for (const table of tables) parts.push(await tableText(database, table));
  const { rows: views } = await database.query<{ name: string; definition: string; comment: string }>(VIEWS);
  for (const { name, definition, comment } of views)
    parts.push(
      `CREATE VIEW sekali.${name} AS\n${definition}\nCOMMENT ON VIEW sekali.${name} IS '${comment}';`,
    );
  const { rows: functions } = await database.query<{ definition: string }>(FUNCTIONS);
  parts.push(...functions.map(({ definition }) => `${definition.trimEnd()};`));
  return `${parts.join('\n\n')}\n`;
}

async function tableText(database: Queryable, table: Table): Promise<string> {
  const name = `sekali.${table.name}`;
  if (table.bound !== null) return `CREATE TABLE ${name} PARTITION OF sekali.event ${table.bound};`;
  const { rows: columns } = await database.query<Column>(COLUMNS, [table.id]);
  const { rows: constraints } = await database.query<{ name: string; definition: string }>(CONSTRAINTS, [
    table.id,
  ]);
  const { rows: indexes } = await database.query<{ definition: string }>(INDEXES, [table.id]);
  const { rows: triggers } = await database.query<{ definition: string }>(TRIGGERS, [table.id]);
  const lines = [
    ...columns.map(columnText),
    ...constraints.map((constraint) => `CONSTRAINT ${constraint.name} ${constraint.definition}`),
  ];
  const partitioned = table.partition_key === null ? '' : ` PARTITION BY ${table.partition_key}`;
  const options = table.options === null || table.options === '' ? '' : ` WITH (${table.options})`;
  return [
    `CREATE TABLE ${name} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n)${partitioned}${options};`,
    ...(table.comment === null ? [] : [`COMMENT ON TABLE ${name} IS '${table.comment}';`]),
    ...columns
      .filter((column) => column.comment !== null)
      .map((column) => `COMMENT ON COLUMN ${name}.${quoted(column.name)} IS '${column.comment ?? ''}';`),
    ...indexes.map((index) => `${index.definition};`),
    ...triggers.map((trigger) => `${trigger.definition};`),
  ].join('\n');
}

function columnText(column: Column): string {
  return [
    quoted(column.name),
    column.type,
    ...(column.collation === null ? [] : [`COLLATE "${column.collation}"`]),
    ...(column.identity ? ['GENERATED ALWAYS AS IDENTITY'] : []),
    ...(column.required ? ['NOT NULL'] : []),
    ...(column.initial === null ? [] : [`DEFAULT ${column.initial}`]),
  ].join(' ');
}

function quoted(name: string): string {
  return name === 'timestamp' ? `"${name}"` : name;
}
