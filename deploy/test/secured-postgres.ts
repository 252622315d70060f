/**
 * Postgres as it is deployed, as a process on this machine: deploy/pg_hba.conf and deploy/postgres-roles.sql unchanged,
 * and secrets of `npm run secrets`. It starts as a database of the previous version: one role, one password, no TLS.
 */
import { chmodSync, chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { findRepositoryRoot, startPostgres, type PostgresServer } from '#local-cluster';
import { ROLES, type Program } from '#store';
import { makeSecrets } from './secured-cluster.js';

/** The user of a connection. */
export type DatabaseUser = Program | 'setup' | 'accounts';

const DEPLOY = join(findRepositoryRoot(), 'deploy');

/** A separate server, which the test has to `stop`. */
export class SecuredPostgres {
  private constructor(
    private readonly folder: string,
    /** The folder of the secrets. */
    readonly secrets: string,
    private readonly server: PostgresServer,
    /** The superuser's connection. Its session began before the server refused such connections. */
    readonly superuser: pg.Client,
  ) {}

  /** Starts it, with a database `sekali` that belongs to the role `sekali`. */
  static async start(): Promise<SecuredPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'sekali-postgres-'));
    chmodSync(folder, 0o755);
    const secrets = await makeSecrets(join(folder, 'secrets'));
    const server = await startPostgres({
      dataDirectory: join(folder, 'postgres'),
      superuser: 'postgres',
      settings: { fsync: 'off' },
    });
    const superuser = new pg.Client({ connectionString: server.url });
    await superuser.connect();
    const postgres = new SecuredPostgres(folder, secrets, server, superuser);
    await superuser.query(`CREATE ROLE sekali LOGIN PASSWORD '${postgres.secret('postgres-password')}'`);
    await superuser.query('ALTER DATABASE sekali OWNER TO sekali');
    return postgres;
  }

  /** Creates the roles, or sets their passwords from the secrets, like the service `roles`. */
  async makeRoles(): Promise<void> {
    const text = readFileSync(join(DEPLOY, 'postgres-roles.sql'), 'utf8');
    const variables = new Map<string, string>();
    // What psql does with its own commands, as far as they occur.
    const sql = text.replace(
      /^\\set (\w+) `cat \/run\/secrets\/(.+)`$/gm,
      (_, name: string, file: string) => {
        variables.set(name, this.secret(file));
        return '';
      },
    );
    await this.superuser.query(
      sql.replace(/:'(\w+)'/g, (_, name: string) => pg.escapeLiteral(variables.get(name) ?? '')),
    );
  }

  /** Refuses connections without TLS from now on. */
  async demandTls(): Promise<void> {
    const place = this.server.dataDirectory;
    const { uid, gid } = statSync(place);
    const files = {
      'pg_hba.conf': join(DEPLOY, 'pg_hba.conf'),
      'server.crt': join(this.secrets, 'postgres.crt'),
      'server.key': join(this.secrets, 'postgres.key'),
    };
    for (const [name, source] of Object.entries(files)) {
      rmSync(join(place, name), { force: true });
      copyFileSync(source, join(place, name));
      chmodSync(join(place, name), 0o600);
      chownSync(join(place, name), uid, gid);
    }
    await this.superuser.query('ALTER SYSTEM SET ssl = on');
    await this.superuser.query('SELECT pg_reload_conf()');
  }

  /** The environment of a program that connects as a user. The certificate is for `localhost`. */
  environmentOf(user: DatabaseUser, host = 'localhost'): Record<string, string> {
    const role = { ...ROLES, setup: 'sekali', accounts: 'sekali_accounts' }[user];
    const password = user === 'setup' ? 'postgres-password' : `postgres-${user}-password`;
    return {
      SEKALI_POSTGRES_URL: `postgres://${role}@${host}:${this.server.port}/sekali`,
      SEKALI_POSTGRES_PASSWORD_FILE: join(this.secrets, password),
      SEKALI_POSTGRES_CA_FILE: join(this.secrets, 'ca.crt'),
    };
  }

  /** The same without TLS. */
  plainEnvironmentOf(user: DatabaseUser): Record<string, string> {
    const environment = this.environmentOf(user);
    delete environment['SEKALI_POSTGRES_CA_FILE'];
    return environment;
  }

  secret(name: string): string {
    return readFileSync(join(this.secrets, name), 'utf8').trim();
  }

  /** Stops it and removes its files. */
  async stop(): Promise<void> {
    await this.superuser.end().catch(() => undefined);
    await this.server.stop('immediate');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
