import { describe, expect, it } from '@jest/globals';
import { topicOfIndex } from './index-topic.js';

describe('the topic of an index', () => {
  it.each([
    ['orders', 'orders'],
    ['orders.created', 'orders.created'],
    ['a/b:c', 'a_b_c'],
    ['logstash-2026.11.28', 'logstash'],
    ['logstash-2026.11.28.23', 'logstash'],
    ['vector-2026-11-28', 'vector'],
    ['app_2026.11', 'app'],
    ['filebeat-8.15.0-2026.11.28-000001', 'filebeat-8.15.0'],
    ['filebeat-8.15.0', 'filebeat-8.15.0'],
    ['app-2026', 'app-2026'],
    ['app-1234.56', 'app-1234.56'],
    ['app-2026.11-28', 'app-2026.11-28'],
    ['-2026.11.28', '-2026.11.28'],
    ['logs-nginx.access-default', 'logs.nginx.access.default'],
    ['logs-nginx.access-default-2026.11.28', 'logs.nginx.access.default'],
    ['metrics-system-prod', 'metrics.system.prod'],
    ['logs-two-parts-more', 'logs-two-parts-more'],
    ['logs-a', 'logs-a'],
  ])('%s is %s', (index, topic) => {
    expect(topicOfIndex(index)).toBe(topic);
  });
});
