/**
 * The rights in the database. Each kind of program has a role with the rights that it needs, and no others.
 *
 * The role that runs setup owns everything. The roles below have fixed names, and a login of another name may be a
 * member of one (`GRANT sekali_worker TO my_worker`). A role that does not exist gets no rights, so a database with a
 * single role works as well.
 *
 * A new table needs a line in `TABLES`, and a view one in `VIEWS`. A test fails for one without it.
 */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';

/** The kinds of programs that have a role. */
export type Program = 'gateway' | 'worker' | 'reader' | 'recovery';

/** A privilege on a whole table, or on one of its columns. */
type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | `UPDATE (${string})`;
type Rights = Readonly<Partial<Record<Program, readonly Privilege[]>>>;

/** The role of each program. */
export const ROLES: Readonly<Record<Program, string>> = {
  gateway: 'sekali_gateway',
  worker: 'sekali_worker',
  // This role is for people and for the audit. It reads everything except the API keys and the secrets of webhooks and message ids.
  reader: 'sekali_reader',
  // Rewinding a consumer needs no database. This role corrects the registry of streams and the horizon after that.
  recovery: 'sekali_recovery',
};

const READ: readonly Privilege[] = ['SELECT'];
/**
 * What a worker decides is written once and never changed. Only the number of the incarnation may change: a worker that
 * registers a new one moves the rows that belong to it.
 */
const DECISION: Rights = {
  gateway: READ,
  worker: ['SELECT', 'INSERT', 'UPDATE (stream_id)'],
  reader: READ,
  recovery: READ,
};

/** Every table of the schema with the rights of each program. Programs reach partitions only through their table. */
export const TABLES: Readonly<Record<string, Rights>> = {
  api_key: { gateway: READ },
  // Audits write it with a function.
  audit_result: { gateway: READ, reader: READ },
  attempt: { worker: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], reader: READ, recovery: READ },
  broker_duplicate: { gateway: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], reader: READ, recovery: READ },
  consumer_start: { worker: ['SELECT', 'INSERT', 'UPDATE'], reader: READ, recovery: READ },
  counter: { gateway: READ, worker: ['SELECT', 'INSERT', 'UPDATE'], reader: READ, recovery: READ },
  dead_letter: DECISION,
  // A gateway begins an action, and later adds only where the brokers have the replay.
  dead_letter_action: {
    gateway: ['SELECT', 'INSERT', 'UPDATE (replay_seq)', 'UPDATE (replayed_at)'],
    reader: READ,
    recovery: READ,
  },
  // Only the functions of retention write it.
  dropped_payload: { reader: READ },
  dropped_row: { reader: READ },
  dropped_sequence: { reader: READ },
  // Only the function that forgets ids writes these three.
  forgotten_generation: { reader: READ },
  forgotten_id: { reader: READ },
  forgotten_sequence: { reader: READ },
  duplicate: {
    ...DECISION,
    worker: ['SELECT', 'INSERT', 'UPDATE (stream_id)', 'UPDATE (first_stream_id)'],
  },
  event: DECISION,
  // The audit reads which days have no partition and are therefore in this table.
  event_default: { reader: READ },
  event_key: DECISION,
  // Only the functions of retention add to it.
  event_sample: { ...DECISION, worker: ['SELECT', 'UPDATE (stream_id)'] },
  // A trigger on the counters writes it.
  histogram: { gateway: READ, reader: READ, recovery: READ },
  further_horizon: {
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    reader: READ,
    recovery: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  },
  horizon: {
    gateway: ['SELECT', 'INSERT', 'UPDATE'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    reader: READ,
    recovery: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  },
  // Only setup writes it.
  index_rule: { reader: READ },
  // The workers build filters, and discard damaged ones.
  key_filter: { worker: ['SELECT', 'INSERT', 'DELETE'], reader: READ },
  // Only the function that changes generations writes it.
  key_generation: { gateway: READ, worker: READ, reader: READ, recovery: READ },
  message_id_secret: { gateway: READ },
  migration: { gateway: READ, reader: READ },
  // Only the function that drops a day writes these two, and a trigger.
  noted_day: { reader: READ },
  noted_payload: { reader: READ },
  // Each program writes a row of its own, and discards those of others that have ended.
  program: {
    gateway: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    worker: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    reader: READ,
  },
  promise: { gateway: ['SELECT', 'INSERT', 'DELETE'], reader: READ },
  // Only setup writes these two.
  retention_age: { gateway: READ, worker: READ, reader: READ },
  retention_rule: { gateway: READ, reader: READ },
  store_loss: {
    gateway: READ,
    worker: ['SELECT', 'INSERT', 'UPDATE (restored_at)'],
    reader: READ,
    recovery: READ,
  },
  stream: {
    gateway: READ,
    worker: ['SELECT', 'INSERT'],
    reader: READ,
    recovery: ['SELECT', 'INSERT', 'UPDATE'],
  },
  stream_floor: { worker: ['SELECT', 'INSERT', 'UPDATE'], reader: READ },
  webhook_secret: { gateway: READ },
};

/** The views for who reads with SQL. */
export const VIEWS: Readonly<Record<string, Rights>> = {
  conflicts: { reader: READ },
  counts: { reader: READ },
  dead_letters: { reader: READ },
  duplicates: { reader: READ },
  events: { reader: READ },
};

/** Functions that run with the rights of setup, and the programs that may call them. */
export const FUNCTIONS: Readonly<Record<string, readonly Program[]>> = {
  'aged_ids()': ['worker', 'reader'],
  'aged_payloads(boolean)': ['worker', 'reader'],
  'aged_rows()': ['worker', 'reader'],
  'change_payload_index()': ['worker'],
  'drop_aged_rows(integer, bigint, integer)': ['worker'],
  // Workers of the version before call it.
  'drop_payload_day(text)': ['worker'],
  'drop_payload_day_step(text, integer)': ['worker'],
  'drop_payload_rows(text, text, integer, bigint, integer)': ['worker'],
  'forget_ids(integer)': ['worker'],
  'index_closed_day()': ['worker'],
  'roll_up_histogram(integer)': ['worker'],
  'change_key_generation(text, integer)': ['worker'],
  'keep_audit_result(text, text, text, bigint, bigint, double precision, text)': ['reader'],
  'make_inbox(text)': ['worker'],
  'make_key_filter(text)': ['worker'],
  'make_partition(timestamp with time zone, timestamp with time zone)': ['worker'],
};

/** The suffixes of a further consumer's tables, such as `<consumer>_key`, and the tables whose rights they have. */
export const INBOX_MODELS = {
  key: 'event_key',
  key_generation: 'key_generation',
  key_filter: 'key_filter',
  duplicate: 'duplicate',
  dead_letter: 'dead_letter',
  attempt: 'attempt',
  counter: 'counter',
} as const;

/** Matches the names of tables in a further consumer's inbox. */
export const INBOX_TABLE =
  /^([a-z][a-z0-9_]{0,30})_(key|key_generation|key_filter|duplicate|dead_letter|attempt|counter)$/;

/** Matches the names of younger generations of keys. The first part is generation 0. */
const KEY_GENERATION = /^([a-z][a-z0-9_]*_key)_g[1-9][0-9]{0,8}$/;

const GRANTS_LOCK = 7_365_003;

const PRESENT_ROLES = `SELECT rolname AS role FROM pg_roles WHERE rolname = ANY($1)`;

const PRESENT_TABLES = `
SELECT relname AS name,
  EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid AND inhparent = 'sekali.event'::regclass) AS is_partition
FROM pg_class WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p', 'v')`;

// All columns are text. A UNION that begins with type name cuts the rest to 63 bytes, but functions' arguments are
// longer.
const PRESENT_GRANTS = `
SELECT 'SCHEMA' AS kind, nspname::text AS object, rolname::text AS role, privilege_type AS privilege
FROM pg_namespace, aclexplode(nspacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE nspname = 'sekali' AND rolname = ANY($1)
UNION ALL
SELECT 'TABLE', relname::text, rolname::text, privilege_type
FROM pg_class, aclexplode(relacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p', 'v') AND rolname = ANY($1)
UNION ALL
SELECT 'TABLE', relname::text, rolname::text, format('%s (%I)', privilege_type, attname)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid,
  aclexplode(attacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT attisdropped AND rolname = ANY($1)
UNION ALL
SELECT 'FUNCTION', proname || '(' || oidvectortypes(proargtypes) || ')', rolname::text, privilege_type
FROM pg_proc, aclexplode(proacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE pronamespace = 'sekali'::regnamespace AND rolname = ANY($1)`;

/** The role that runs setup does not own the schema. */
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
 * Gives each existing role exactly the rights above: it grants missing rights and revokes excess ones. Other tables
 * stay as they are. All changes take effect in one transaction. If no right differs, nothing is written.
 *
 * @param pool connected as the owner of the schema, the role that ran the migrations
 * @returns the statements that were needed
 * @throws GrantsError when that role does not own the schema; nothing has been changed
 */
export async function grantRights(pool: Pool): Promise<string[]> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [GRANTS_LOCK]);
    const statements = await missingStatements(client);
    for (const statement of statements) await client.query(statement);
    // When the role does not own the object, Postgres only warns about a GRANT, which then has no effect.
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

/** Returns the statements that turn the present rights into the required ones. */
async function missingStatements(database: Queryable): Promise<string[]> {
  const names = [Object.values(ROLES)];
  const { rows: roles } = await database.query<{ role: string }>(PRESENT_ROLES, names);
  const { rows: tables } = await database.query<PresentTable>(PRESENT_TABLES);
  const { rows: present } = await database.query<Grant>(PRESENT_GRANTS, names);
  const rights = rightsByTable(tables);
  return differences(requiredGrants(new Set(roles.map(({ role }) => role)), rights), present, rights);
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

/** Returns the required rights to each table that is ours. No program has rights to a partition. */
function rightsByTable(tables: readonly PresentTable[]): Map<string, Rights> {
  const names = new Set(tables.map(({ name }) => name));
  return new Map(
    tables.flatMap(({ name, is_partition }): [string, Rights][] => {
      const oldest = KEY_GENERATION.exec(name)?.[1] ?? name;
      const rights =
        TABLES[oldest] ??
        VIEWS[name] ??
        TABLES[modelOf(oldest, names) ?? ''] ??
        (is_partition ? {} : undefined);
      return rights === undefined ? [] : [[name, rights]];
    }),
  );
}

/** Returns the table whose rights a further consumer's table has. Only an inbox has a table of attempts. */
function modelOf(table: string, tables: ReadonlySet<string>): string | undefined {
  const [, consumer = '', suffix = ''] = INBOX_TABLE.exec(table) ?? [];
  return tables.has(`${consumer}_attempt`)
    ? (INBOX_MODELS as Readonly<Record<string, string>>)[suffix]
    : undefined;
}

function requiredGrants(roles: ReadonlySet<string>, tables: ReadonlyMap<string, Rights>): Grant[] {
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
  required: readonly Grant[],
  present: readonly Grant[],
  ours: ReadonlyMap<string, Rights>,
): string[] {
  const keyOf = ({ kind, object, role, privilege }: Grant): string =>
    [kind, object, role, privilege].join(' ');
  const [requiredKeys, presentKeys] = [new Set(required.map(keyOf)), new Set(present.map(keyOf))];
  const isExcess = (grant: Grant): boolean =>
    !requiredKeys.has(keyOf(grant)) && (grant.kind !== 'TABLE' || ours.has(grant.object));
  const excess = present.filter(isExcess);
  // Revoking a right to a table also revokes it for the columns.
  const isRevokedToo = ({ kind, object, role, privilege }: Grant): boolean =>
    excess.some(
      (gone) =>
        gone.kind === kind &&
        gone.object === object &&
        gone.role === role &&
        privilege.startsWith(`${gone.privilege} (`),
    );
  const isMissing = (grant: Grant): boolean => !presentKeys.has(keyOf(grant)) || isRevokedToo(grant);
  return [
    ...excess.map((grant) => `REVOKE ${termsOf(grant)} FROM ${grant.role}`),
    ...required.filter(isMissing).map((grant) => `GRANT ${termsOf(grant)} TO ${grant.role}`),
  ];
}

/** Formats a right for GRANT and REVOKE. The names of our tables, columns, functions and roles need no quotes. */
function termsOf({ kind, object, privilege }: Grant): string {
  return `${privilege} ON ${kind} ${kind === 'SCHEMA' ? object : `sekali.${object}`}`;
}
