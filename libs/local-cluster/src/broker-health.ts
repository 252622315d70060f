/** What nodes say about themselves on their monitoring ports: healthy or not, and who leads the meta group. */

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
 * How JetStream is on a node, as the node says. `off`: while it reads its store, and for good after a write of its own failed.
 * `broken`: it is on, but a stream's last write failed, as on a full disk; the stream then takes nothing more on this node,
 * with or without room. Both end with a restart. Undefined when the node does not answer.
 */
export async function readJetStreamState(monitorPort: number): Promise<'on' | 'off' | 'broken' | undefined> {
  const enabled = await ask(monitorPort, '/healthz?js-enabled-only=true');
  if (enabled?.status === 503) return 'off';
  if (!enabled?.ok) return undefined;
  const health = await ask(monitorPort, '/healthz');
  // A node that is behind the others is no less healthy for that: it catches up by itself.
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
