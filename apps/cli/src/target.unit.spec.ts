import { describe, expect, it } from '@jest/globals';
import { mergeTarget, withoutPassword } from './target.js';

const running = {
  gateway: 'http://running',
  gateways: ['http://running'],
  nats: ['nats://running-1', 'nats://running-2'],
  postgres: 'postgres://running',
  data: '/data',
};

describe('which system a command talks to', () => {
  it('is the one that runs here when nothing else is given', () => {
    expect(mergeTarget({}, {}, running)).toEqual({
      SEKALI_GATEWAY_URL: 'http://running',
      SEKALI_NATS_URLS: 'nats://running-1,nats://running-2',
      SEKALI_POSTGRES_URL: 'postgres://running',
    });
  });

  it('is the one of the environment before that, and the one of an option before both', () => {
    const environment = {
      SEKALI_GATEWAY_URL: 'http://set',
      SEKALI_POSTGRES_URL: 'postgres://set',
      SEKALI_STREAM: 'S',
    };
    expect(mergeTarget({ gateway: 'http://given' }, environment, running)).toEqual({
      SEKALI_GATEWAY_URL: 'http://given',
      SEKALI_NATS_URLS: 'nats://running-1,nats://running-2',
      SEKALI_POSTGRES_URL: 'postgres://set',
      SEKALI_STREAM: 'S',
    });
  });

  it('is entered with the key of an option before that of the environment', () => {
    const environment = { SEKALI_API_KEY: 'k', SEKALI_API_KEY_FILE: '/set' };
    expect(mergeTarget({}, environment, undefined)).toEqual(environment);
    expect(mergeTarget({ apiKeyFile: '/given' }, environment, undefined)).toEqual({
      SEKALI_API_KEY_FILE: '/given',
    });
  });

  it('is the one of the defaults when nothing is given', () => {
    expect(mergeTarget({}, { SEKALI_GATEWAY_URL: '' }, undefined)).toEqual({});
  });
});

describe('a URL that is shown', () => {
  it.each([
    ['postgres://sekali:secret@127.0.0.1:5442/sekali', 'postgres://sekali@127.0.0.1:5442/sekali'],
    ['postgres://sekali@127.0.0.1/sekali', 'postgres://sekali@127.0.0.1/sekali'],
    ['nats://a:x@h1:1,nats://b:y@h2:2', 'nats://a@h1:1,nats://b@h2:2'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ])('%s becomes %s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
  });
});
