/** Setup accepts only a database in UTF-8. Any other would refuse events that were accepted already. */
import { describe, expect, it } from '@jest/globals';
import { createTestSystem, startApp } from '#testing';

describe('a database in another encoding than UTF-8', () => {
  it.each(['SQL_ASCII', 'LATIN1'])('is refused before setup creates anything in it: %s', async (encoding) => {
    const { environment, pool, postgresUrl } = await createTestSystem();
    const url = new URL(postgresUrl);
    const name = `${url.pathname.slice(1)}_other`;
    await pool.query(
      `CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
    );
    try {
      url.pathname = `/${name}`;
      const other = { ...environment, SEKALI_POSTGRES_URL: url.href };
      const setup = await startApp('setup', other, { untilReady: false });
      expect(await setup.exited).toMatchObject({ code: 1 });
      expect(setup.output()).toMatch(
        new RegExp(
          `^setup: EncodingError: the database ${name} is in ${encoding}, .*CREATE DATABASE .*'UTF8'`,
          'm',
        ),
      );
      expect(setup.output()).not.toMatch(/^\s+at /m);
    } finally {
      await pool.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
});
