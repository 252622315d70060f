/**
 * Who may do what in the database: one role for each kind of program, with what it needs and nothing else.
 *
 * Whoever runs setup owns all of it. The roles below are known by fixed names; a login of another name may be made a
 * member of one (`GRANT sekali_worker TO my_worker`). Where a role does not exist, nothing is granted to it, so a database
 * with a single role works as well.
 *
 * A new table needs a line in `TABLES`: a test fails for a table that none mentions.
 */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';

/** What a program is to the database. */
export type Program = 'gateway' | 'worker' | 'reader' | 'recovery';

/** To a whole table, or to one of its columns. */
type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | `UPDATE (${string})`;
type Rights = Readonly<Partial<Record<Program, readonly Privilege[]>>>;

/** The role of each program. */
export const ROLES: Readonly<Record<Program, string>> = {
  gateway: 'sekali_gateway',
  worker: 'sekali_worker',
  // For people and for the audit: it sees everything but the keys.
  reader: 'sekali_reader',
  // Rewinding needs no database. What goes with it, to put the registry of streams and the horizon right, is this role's.
  recovery: 'sekali_recovery',
};

const READ: readonly Privilege[] = ['SELECT'];
/**
 * What a worker decides is written once and never changed. Only the number of the incarnation may change: a worker that
 * registers a new one takes along what is of it.
 */
const DECISION: Rights = {
  gateway: READ,
  worker: ['SELECT', 'INSERT', 'UPDATE (stream_id)'],
  reader: READ,
  recovery: READ,
};

/** Every table of the schema, and what each program may do with it. Partitions are reached through their table alone. */
export const TABLES: Readonly<Record<string, Rights>> = {
  api_key: { gateway: READ },
  attempt: { worker: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], reader: READ, recovery: READ },
  broker_duplicate: { gateway: ['SELECT', 'INSERT', 'UPDATE'], reader: READ, recovery: READ },
  consumer_start: { worker: ['SELECT', 'INSERT', 'UPDATE'], reader: READ, recovery: READ },
  counter: { gateway: READ, worker: ['SELECT', 'INSERT', 'UPDATE'], reader: READ, recovery: READ },
  dead_letter: DECISION,
  duplicate: {
    ...DECISION,
    worker: ['SELECT', 'INSERT', 'UPDATE (stream_id)', 'UPDATE (first_stream_id)'],
  },
  event: DECISION,
  // The audit asks it for the days that found no partition of their own.
  event_default: { reader: READ },
  event_key: DECISION,
  horizon: {
    gateway: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    reader: READ,
    recovery: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  },
  migration: { gateway: READ, reader: READ },
  promise: { gateway: ['SELECT', 'INSERT', 'DELETE'], reader: READ },
  stream: {
    gateway: READ,
    worker: ['SELECT', 'INSERT'],
    reader: READ,
    recovery: ['SELECT', 'INSERT', 'UPDATE'],
  },
};

/** Functions that run with the rights of setup, and who may call them. */
export const FUNCTIONS: Readonly<Record<string, readonly Program[]>> = {
  'make_inbox(text)': ['worker'],
  'make_partition(timestamp with time zone, timestamp with time zone)': ['worker'],
};

/** The tables of a further consumer, `<consumer>_key` and so on, and the table whose rights each has. */
export const INBOX_MODELS = {
  key: 'event_key',
  duplicate: 'duplicate',
  dead_letter: 'dead_letter',
  attempt: 'attempt',
  counter: 'counter',
} as const;

/** Names of tables as an inbox of a further consumer has them. */
export const INBOX_TABLE = /^([a-z][a-z0-9_]{0,30})_(key|duplicate|dead_letter|attempt|counter)$/;

const GRANTS_LOCK = 7_365_003;

const PRESENT_ROLES = `SELECT rolname AS role FROM pg_roles WHERE rolname = ANY($1)`;

const PRESENT_TABLES = `
SELECT relname AS name,
  EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid AND inhparent = 'sekali.event'::regclass) AS is_partition
FROM pg_class WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p')`;

// All are text: a UNION that begins with a name cuts what follows to 63 bytes, and a function's arguments are longer.
const PRESENT_GRANTS = `
SELECT 'SCHEMA' AS kind, nspname::text AS object, rolname::text AS role, privilege_type AS privilege
FROM pg_namespace, aclexplode(nspacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE nspname = 'sekali' AND rolname = ANY($1)
UNION ALL
SELECT 'TABLE', relname::text, rolname::text, privilege_type
FROM pg_class, aclexplode(relacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p') AND rolname = ANY($1)
UNION ALL
SELECT 'TABLE', relname::text, rolname::text, format('%s (%I)', privilege_type, attname)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid,
  aclexplode(attacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p') AND NOT attisdropped AND rolname = ANY($1)
UNION ALL
SELECT 'FUNCTION', proname || '(' || oidvectortypes(proargtypes) || ')', rolname::text, privilege_type
FROM pg_proc, aclexplode(proacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE pronamespace = 'sekali'::regnamespace AND rolname = ANY($1)`;

/** Whoever runs setup is not the owner of the schema. */
export class GrantsError extends Error {
  override readonly name = 'GrantsError';
}

interface Grant {
  readonly kind: 'SCHEMA' | 'TABLE' | 'FUNCTION';
  readonly object: string;
  readonly role: string;
  readonly privilege: string;
}

interface PresentTable {
  readonly name: string;
  readonly is_partition: boolean;
}

/**
 * Gives each role that exists exactly what stands above: grants what is missing and revokes what is too much. Tables
 * that are not ours stay as they are. All of it takes effect at one moment; where nothing differs, nothing is written.
 *
 * @param pool connected as the owner of the schema, which is whoever ran the migrations
 * @returns the statements that were needed
 * @throws GrantsError when that is another role; then nothing was changed
 */
export async function grantRights(pool: Pool): Promise<string[]> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [GRANTS_LOCK]);
    const statements = await missingStatements(client);
    for (const statement of statements) await client.query(statement);
    // A GRANT by somebody who owns nothing of it is a warning to Postgres, and does nothing.
    if (statements.length > 0 && (await missingStatements(client)).length > 0)
      throw await notTheOwner(client);
    await client.query('COMMIT');
    return statements;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

/** What differs from what there should be, as the statements that mend it. */
async function missingStatements(database: Queryable): Promise<string[]> {
  const names = [Object.values(ROLES)];
  const { rows: roles } = await database.query<{ role: string }>(PRESENT_ROLES, names);
  const { rows: tables } = await database.query<PresentTable>(PRESENT_TABLES);
  const { rows: present } = await database.query<Grant>(PRESENT_GRANTS, names);
  const rights = rightsByTable(tables);
  return differences(wantedGrants(new Set(roles.map(({ role }) => role)), rights), present, rights);
}

async function notTheOwner(database: Queryable): Promise<Error> {
  const { rows } = await database.query<{ role: string; name: string }>(
    'SELECT current_user AS role, current_database() AS name',
  );
  const { role, name } = rows[0] ?? { role: 'this role', name: 'the database' };
  return new GrantsError(
    `${role} cannot give the programs their rights, because it does not own what is in schema sekali of database ${name}: ` +
      'run setup as its owner, the role that ran it first',
  );
}

/** Of each table that is ours, the rights that there should be. Nobody has any to a partition. */
function rightsByTable(tables: readonly PresentTable[]): Map<string, Rights> {
  const names = new Set(tables.map(({ name }) => name));
  return new Map(
    tables.flatMap(({ name, is_partition }): [string, Rights][] => {
      const rights = TABLES[name] ?? TABLES[modelOf(name, names) ?? ''] ?? (is_partition ? {} : undefined);
      return rights === undefined ? [] : [[name, rights]];
    }),
  );
}

/** The table that a further consumer's table is like. Only an inbox has a table of attempts. */
function modelOf(table: string, tables: ReadonlySet<string>): string | undefined {
  const [, consumer = '', suffix = ''] = INBOX_TABLE.exec(table) ?? [];
  return tables.has(`${consumer}_attempt`)
    ? (INBOX_MODELS as Readonly<Record<string, string>>)[suffix]
    : undefined;
}

function wantedGrants(roles: ReadonlySet<string>, tables: ReadonlyMap<string, Rights>): Grant[] {
  const programs = (Object.keys(ROLES) as Program[]).filter((program) => roles.has(ROLES[program]));
  return programs.flatMap((program): Grant[] => {
    const role = ROLES[program];
    return [
      { kind: 'SCHEMA', object: 'sekali', role, privilege: 'USAGE' },
      ...[...tables].flatMap(([object, rights]) =>
        (rights[program] ?? []).map((privilege): Grant => ({ kind: 'TABLE', object, role, privilege })),
      ),
      ...Object.entries(FUNCTIONS)
        .filter(([, callers]) => callers.includes(program))
        .map(([object]): Grant => ({ kind: 'FUNCTION', object, role, privilege: 'EXECUTE' })),
    ];
  });
}

function differences(
  wanted: readonly Grant[],
  present: readonly Grant[],
  ours: ReadonlyMap<string, Rights>,
): string[] {
  const keyOf = ({ kind, object, role, privilege }: Grant): string =>
    [kind, object, role, privilege].join(' ');
  const [wantedKeys, presentKeys] = [new Set(wanted.map(keyOf)), new Set(present.map(keyOf))];
  const isExcess = (grant: Grant): boolean =>
    !wantedKeys.has(keyOf(grant)) && (grant.kind !== 'TABLE' || ours.has(grant.object));
  const excess = present.filter(isExcess);
  // Whoever takes the right to a table away takes those to its columns along.
  const goesAlong = ({ kind, object, role, privilege }: Grant): boolean =>
    excess.some(
      (gone) =>
        gone.kind === kind &&
        gone.object === object &&
        gone.role === role &&
        privilege.startsWith(`${gone.privilege} (`),
    );
  const isMissing = (grant: Grant): boolean => !presentKeys.has(keyOf(grant)) || goesAlong(grant);
  return [
    ...excess.map((grant) => `REVOKE ${termsOf(grant)} FROM ${grant.role}`),
    ...wanted.filter(isMissing).map((grant) => `GRANT ${termsOf(grant)} TO ${grant.role}`),
  ];
}

/** Names of our tables, columns, functions and roles need no quotes. */
function termsOf({ kind, object, privilege }: Grant): string {
  return `${privilege} ON ${kind} ${kind === 'SCHEMA' ? object : `sekali.${object}`}`;
}
