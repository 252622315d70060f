import { describe, expect, it } from '@jest/globals';
import { sign } from '@octokit/webhooks-methods';
import type { WebhookSecret } from '#contracts';
import { ClientShares } from '../keys/client-shares.js';
import { FailedAttempts } from '../keys/failed-attempts.js';
import { ProblemError } from '../problems/problem-error.js';
import { VAIN_WINDOW_MS, WebhookDoor } from './webhook-door.js';
import { WebhookSecrets } from './webhook-secrets.js';

const SECRET: WebhookSecret = {
  secret_id: '0'.repeat(16),
  name: 'test',
  topic: 'a.b',
  provider: 'github',
  source: 'github',
  secret: 'a secret of sixteen characters',
  tolerance_seconds: 300,
  headers: [],
  rules: null,
};
const SENDER = { client: '192.0.2.1', origin: { requestId: 'r' } };
const ANSWER = {
  body: { accepted: 1, duplicates: 0, rejected: [], results: [] },
  headers: {},
};

async function doorOver(read: () => Promise<readonly WebhookSecret[]>): Promise<{
  door: WebhookDoor;
  outages: unknown[];
  lines: string[];
  keyIds: unknown[];
  clock: { now: number };
}> {
  const [outages, lines, keyIds]: [unknown[], string[], unknown[]] = [[], [], []];
  const secrets = new WebhookSecrets({ read, onOutage: (error) => outages.push(error) });
  await secrets.open();
  secrets.close();
  const failed = new FailedAttempts(
    ({ topic = '', reason }, message) => lines.push(`${topic}: ${reason}: ${message}`),
    'signature',
  );
  const publish = (_body: unknown, _lenient: boolean, { keyId }: { keyId: string | undefined }) => {
    keyIds.push(keyId);
    return Promise.resolve(ANSWER);
  };
  const clock = { now: 0 };
  const vainBytes = new ClientShares(VAIN_WINDOW_MS, () => clock.now);
  const door = new WebhookDoor({ secrets, publishing: { publish }, failed }, Date.now, vainBytes);
  return { door, outages, lines, keyIds, clock };
}

const refusalOf = async (taken: Promise<unknown>): Promise<ProblemError> => {
  const error: unknown = await taken.catch((thrown: unknown) => thrown);
  if (error instanceof ProblemError) return error;
  throw new Error('it was taken');
};

describe('the door of webhooks', () => {
  it('is busy until the secrets are known, so that no delivery is lost', async () => {
    const { door, outages } = await doorOver(() => Promise.reject(new Error('down')));
    const { problem, headers } = await refusalOf(door.take('a.b', {}, Buffer.from('{}'), SENDER));
    expect([problem.status, headers['retry-after'], outages.length]).toEqual([503, '2', 1]);
  });

  it('counts the topics that a secret adds as those of one key', async () => {
    const { door, keyIds } = await doorOver(() => Promise.resolve([SECRET]));
    const headers = { 'x-hub-signature-256': await sign(SECRET.secret, '{}') };
    expect(await door.take('a.b', headers, Buffer.from('{}'), SENDER)).toBe(ANSWER);
    expect(keyIds).toEqual([`webhook ${SECRET.secret_id}`]);
  });

  it('hashes 16 MiB a second in vain for one address, and for others all the same', async () => {
    const { door, keyIds, clock } = await doorOver(() => Promise.resolve([SECRET, SECRET]));
    const body = Buffer.alloc(1_048_576);
    const wrong = { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` };
    const right = { 'x-hub-signature-256': await sign(SECRET.secret, '{}') };
    const statusOf = async (headers: Record<string, string>, content: Buffer): Promise<number> =>
      (await refusalOf(door.take('a.b', headers, content, SENDER))).problem.status;
    // Two secrets hash each body twice.
    for (let tries = 0; tries < 8; tries++) expect(await statusOf(wrong, body)).toBe(401);
    const { problem, headers } = await refusalOf(door.take('a.b', right, Buffer.from('{}'), SENDER));
    expect([problem.status, headers['retry-after']]).toEqual([429, '1']);
    const other = { ...SENDER, client: '192.0.2.2' };
    expect(await door.take('a.b', right, Buffer.from('{}'), other)).toBe(ANSWER);
    clock.now += VAIN_WINDOW_MS;
    expect(await door.take('a.b', right, Buffer.from('{}'), SENDER)).toBe(ANSWER);
    expect(keyIds).toHaveLength(2);
  });

  it('names the topic in its log only where it is one of ours', async () => {
    const { door, lines, keyIds } = await doorOver(() => Promise.resolve([SECRET]));
    await refusalOf(door.take('a.b', {}, Buffer.from('{}'), SENDER));
    await refusalOf(door.take('any text', {}, Buffer.from('{}'), { ...SENDER, client: '192.0.2.2' }));
    expect(lines).toEqual([
      'a.b: no signature: a request had no valid signature',
      ': unknown topic: a request had no valid signature',
    ]);
    expect(keyIds).toEqual([]);
  });
});
