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
