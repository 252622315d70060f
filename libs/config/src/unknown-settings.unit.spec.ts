/** A name that is nearly a setting is a mistake. A name unlike any setting may belong to another product. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { withCurrentNames } from './renamed-settings.js';
import { unknownSettings } from './unknown-settings.js';

const root = new URL('../../../', import.meta.url);

describe('a variable that is not a setting', () => {
  it.each([
    ['SEKALI_NATS_URL', 'SEKALI_NATS_URLS'],
    ['SEKALI_HTTP_KEYS_ON_LOOPBAK', 'SEKALI_HTTP_KEYS_ON_LOOPBACK'],
    ['SEKALI_LOGLEVEL', 'SEKALI_LOG_LEVEL'],
    ['SEKALI_BATCH_SZIE', 'SEKALI_BATCH_SIZE'],
    ['SEKALI_STREAM_REPLICAS_', 'SEKALI_STREAM_REPLICAS'],
    ['SEKALI_SYNC_INTERVALL', 'SEKALI_SYNC_INTERVAL'],
  ])('is refused when it is nearly one: %s', (name, meant) => {
    expect(unknownSettings({ [name]: 'x' })).toEqual({
      mistyped: [`${name}: there is no such setting; did you mean ${meant}?`],
      foreign: [],
    });
  });

  it.each([
    ['SEKALI_HTTPS_KEYS_LOOPBACK', 'SEKALI_HTTP_KEYS_ON_LOOPBACK'],
    ['SEKALI_POSTGRES', 'SEKALI_POSTGRES_URL'],
    ['SEKALI_PORT', 'SEKALI_HTTP_PORT'],
    ['SEKALI_KEYS_ON_LOOPBACK', 'SEKALI_HTTP_KEYS_ON_LOOPBACK'],
  ])('is reported with the nearest setting when it may belong to another product: %s', (name, nearest) => {
    expect(unknownSettings({ [name]: 'x' })).toEqual({
      mistyped: [],
      foreign: [`${name} is not a setting; the nearest is ${nearest}`],
    });
  });

  it('is left alone when Kubernetes made it for a service of ours', () => {
    const links = {
      SEKALI_SERVICE_HOST: '10.0.0.1',
      SEKALI_SERVICE_PORT: '80',
      SEKALI_GATEWAY_SERVICE_PORT_HTTP: '80',
      SEKALI_PORT: 'tcp://10.0.0.1:80',
      SEKALI_GATEWAY_PORT_80_TCP_ADDR: '10.0.0.1',
    };
    expect(unknownSettings(links)).toEqual({ mistyped: [], foreign: [] });
    expect(unknownSettings({ SEKALI_PORT: '8080' }).foreign).toHaveLength(1);
  });
});

describe('a setting of another program of ours', () => {
  it.each([
    'docker-compose.yml',
    '.env.example',
    'deploy/README.md',
    'deploy/SETTINGS.md',
    'apps/gateway/README.md',
    'libs/idempotent-consumer/README.md',
  ])('is known, wherever %s names one', (file) => {
    const names = readFileSync(new URL(file, root), 'utf8').match(/\bSEKALI_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [];
    expect(names).not.toEqual([]);
    const environment = Object.fromEntries(names.map((name) => [name, 'x']));
    expect(unknownSettings(withCurrentNames(environment).environment)).toEqual({ mistyped: [], foreign: [] });
  });
});
