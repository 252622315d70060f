/** Only the `.env` of the clone is trusted. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readEnvFile } from './env-file.js';

let folder: string;
let clone: string;
let elsewhere: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-env-'));
  [clone, elsewhere] = [join(folder, 'clone'), join(folder, 'elsewhere')];
  mkdirSync(clone);
  mkdirSync(elsewhere);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(where: string, text: string): void {
  writeFileSync(join(where, '.env'), text);
}

describe('a file .env', () => {
  it('is read in the clone, also through a symbolic link', () => {
    write(clone, 'SEKALI_LOG_LEVEL=warn\nexport SEKALI_NATS_SERVER="/opt/nats-server"\n');
    symlinkSync(clone, join(folder, 'link'));
    const settings = { SEKALI_LOG_LEVEL: 'warn', SEKALI_NATS_SERVER: '/opt/nats-server' };
    expect(readEnvFile(clone, clone)).toEqual({ settings });
    expect(readEnvFile(join(folder, 'link'), clone)).toEqual({ settings });
  });

  it.each(['SEKALI_NATS_SERVER=./evil', ' export SEKALI_GATEWAY_URL = http://evil', 'A=1\nSEKALI_X: y'])(
    'names no program and no target from another folder, and that is said: %j',
    (text) => {
      write(elsewhere, text);
      const { settings, notice } = readEnvFile(elsewhere, clone);
      expect(settings).toEqual({});
      expect(notice).toBe(
        `${join(elsewhere, '.env')} has settings and is not read: they come from the environment, or from .env when run in ${clone}`,
      );
      expect(readEnvFile(elsewhere)).toMatchObject({ settings: {} });
      expect(readEnvFile(elsewhere, undefined).settings).toEqual({});
    },
  );

  it('of another project causes no notice when it has none of our settings', () => {
    write(elsewhere, 'DATABASE_URL=postgres://x\n');
    expect(readEnvFile(elsewhere, clone)).toEqual({ settings: {} });
    expect(readEnvFile(join(folder, 'nowhere'), clone)).toEqual({ settings: {} });
  });

  it('is not read in another folder that claims to be a clone', () => {
    write(elsewhere, 'SEKALI_NATS_SERVER=./evil');
    writeFileSync(join(elsewhere, 'package.json'), '{"name":"sekali"}');
    expect(readEnvFile(elsewhere)).toMatchObject({ settings: {} });
  });

  it('that is a pipe delays no program', () => {
    rmSync(join(elsewhere, '.env'));
    execFileSync('mkfifo', [join(elsewhere, '.env')]);
    expect(readEnvFile(elsewhere, elsewhere)).toEqual({ settings: {} });
  });
});
