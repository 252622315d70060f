/** What nodes report on their monitoring ports: whether they are healthy, and who leads the meta group. */

const REQUEST_TIMEOUT_MS = 1_000;

/** The meta group of a cluster, as one node sees it. */
export interface MetaGroup {
  /** Name of the leading node; absent while there is none. */
  readonly leader?: string;
  readonly cluster_size: number;
}

/** Whether the node answers and JetStream on it is current with the cluster. */
export async function isHealthy(monitorPort: number): Promise<boolean> {
  return (await ask(monitorPort, '/healthz'))?.ok ?? false;
}

/**
 * The state of JetStream on a node, as the node reports it; undefined when the node does not answer.
 *
 * `off`: the node is reading its store, or one of its own writes failed; after that it stays off. `broken`: it is on,
 * but the last write of a stream failed, as on a full disk. That stream then takes no more messages on this node, even
 * when there is room again. A restart ends both.
 */
export async function readJetStreamState(monitorPort: number): Promise<'on' | 'off' | 'broken' | undefined> {
  const enabled = await ask(monitorPort, '/healthz?js-enabled-only=true');
  if (enabled?.status === 503) return 'off';
  if (!enabled?.ok) return undefined;
  const health = await ask(monitorPort, '/healthz');
  // A node that lags behind the others is still healthy, because it catches up by itself.
  const text = health === undefined || health.ok ? '' : await health.text().catch(() => '');
  return /write error/i.test(text) ? 'broken' : 'on';
}

/** The meta group as this node sees it; undefined when it does not answer or knows of none. */
export async function readMetaGroup(monitorPort: number): Promise<MetaGroup | undefined> {
  const response = await ask(monitorPort, '/jsz');
  if (!response?.ok) return undefined;
  const { meta_cluster: group } = (await response.json()) as { meta_cluster?: MetaGroup };
  return group;
}

async function ask(monitorPort: number, path: string): Promise<Response | undefined> {
  try {
    return await fetch(`http://127.0.0.1:${monitorPort}${path}`, {
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch {
    return undefined;
  }
}
