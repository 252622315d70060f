import { describe, expect, it } from '@jest/globals';
import { renderBrokerConfig, type BrokerConfig } from './broker-config.js';

const config: BrokerConfig = {
  serverName: 'nats-2',
  clusterName: 'sekali-1',
  clientPort: 4223,
  monitorPort: 8223,
  routePort: 6223,
  routePorts: [6222, 6223, 6224],
  storeDirectory: '/data/with "quotes"/nats-2/store',
  payloadBytesMax: 1_048_576,
  fileStoreBytesMax: 1_000_000,
  memoryStoreBytesMax: 1_000,
};

describe('the configuration of a broker', () => {
  it('binds everything to loopback and names all routes', () => {
    const text = renderBrokerConfig(config);
    expect(text).toContain('listen: "127.0.0.1:4223"');
    expect(text).toContain('http: "127.0.0.1:8223"');
    expect(text).toContain(
      'routes: ["nats://127.0.0.1:6222", "nats://127.0.0.1:6223", "nats://127.0.0.1:6224"]',
    );
    expect(text).not.toMatch(/0\.0\.0\.0|lame_duck/);
  });

  it('quotes paths, and leaves fsync to the server by default', () => {
    expect(renderBrokerConfig(config)).toContain('store_dir: "/data/with \\"quotes\\"/nats-2/store"');
    expect(renderBrokerConfig(config)).not.toContain('sync_interval');
    expect(renderBrokerConfig({ ...config, syncInterval: 'always' })).toContain('sync_interval: "always"');
  });

  it('has clients and nodes sign in with a password, when there is one', () => {
    const text = renderBrokerConfig({ ...config, password: 'a"b' });
    expect(text.match(/authorization { user: sekali, password: "a\\"b", timeout: 10 }/g)).toHaveLength(2);
    expect(text).toContain('"nats://sekali:a%22b@127.0.0.1:6222"');
    expect(renderBrokerConfig(config)).not.toContain('authorization');
  });

  it('has no cluster for a single node', () => {
    expect(renderBrokerConfig({ ...config, routePorts: [6223] })).not.toContain('cluster');
  });
});
