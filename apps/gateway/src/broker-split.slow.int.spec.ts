/**
 * A gateway whose broker is cut off from the two others moves to one of them, and reports meanwhile that it cannot
 * publish.
 */
import { describe, expect, it } from '@jest/globals';
import { BrokerSplit, createTestCluster, type TestCluster, waitFor } from '#testing';
import { type Answered, event, published, RunningGateway } from './test/running-gateway.js';

/** This is far less than a split may last. */
const RESUMES_TIMEOUT_MS = 45_000;

/** The name of the broker that the gateway is connected to. */
async function brokerOf(cluster: TestCluster): Promise<string> {
  for (const { name, monitorPort } of cluster.brokers.nodes) {
    const answer = await fetch(`http://127.0.0.1:${monitorPort}/connz`);
    const { connections } = (await answer.json()) as { connections: { name?: string }[] };
    if (connections.some((connection) => connection.name === 'sekali-gateway')) return name;
  }
  throw new Error('the gateway is connected with no broker');
}

describe.each(['silent', 'open'] as const)(
  'a gateway at a broker that is cut off, in a split that is %s,',
  (manner) => {
    it('publishes and answers over another broker while the split lasts', async () => {
      const split = new BrokerSplit();
      const cluster = await createTestCluster({ split });
      const gateway = await RunningGateway.start(cluster.environment);
      expect((await gateway.publish(event('before'))).status).toBe(202);
      const cutOff = await brokerOf(cluster);
      split.cutOff(cutOff, manner);

      let notReady = '';
      const watching = new AbortController();
      const watched = waitFor(
        async () => {
          const ready = await gateway.get('/health/ready');
          if (ready.status === 503) notReady += ready.text;
          return watching.signal.aborted;
        },
        { timeoutMs: 2 * RESUMES_TIMEOUT_MS, describe: 'the end of the watch' },
      );
      const publishDuring = async (): Promise<Answered | false> => {
        const answer = await gateway.publish(event('during'));
        return answer.status === 202 && answer;
      };
      const taken = await waitFor(publishDuring, {
        timeoutMs: RESUMES_TIMEOUT_MS,
        describe: 'an event to be taken during the split',
      }).finally(async () => {
        watching.abort();
        await watched;
      });
      expect(published(taken).results[0]?.status).toBe('accepted');
      expect(notReady).toContain('problem:not-ready');
      expect(await brokerOf(cluster)).not.toBe(cutOff);

      await waitFor(async () => (await gateway.get('/health/ready')).status === 200, {
        timeoutMs: RESUMES_TIMEOUT_MS,
        describe: 'the gateway to be ready during the split',
      });
      const brokersPart = async (): Promise<string | undefined> => {
        const summary = await gateway.get('/health');
        const health = JSON.parse(summary.text) as {
          status: string;
          components: { brokers: { status: string; detail?: string } };
        };
        const { status, detail } = health.components.brokers;
        return health.status === 'degraded' && status === 'degraded' ? detail : undefined;
      };
      const answer = await waitFor(brokersPart, {
        timeoutMs: RESUMES_TIMEOUT_MS,
        describe: 'the summary to name the broker that does not answer',
      });
      expect(answer).toBe(`2 of the 3 brokers that hold the stream answer, not ${cutOff}`);
      split.heal();
      await gateway.gateway.stop();
      await cluster.dispose();
    }, 240_000);
  },
);
