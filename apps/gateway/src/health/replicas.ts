import type { StreamInfo } from '#broker';

/** Replicas answer their leader every second. */
const SILENT_NS_MAX = 5e9;

/** The names of the replicas that the leader has lost, because the broker is gone or its JetStream is off. */
export function lostReplicas(info: Pick<StreamInfo, 'cluster'>): string[] {
  return (info.cluster?.replicas ?? [])
    .filter(
      // For a replica that it has never heard from, a leader reports 0.
      ({ offline, active, current }) => offline || active > SILENT_NS_MAX || (active === 0 && !current),
    )
    .map(({ name }) => name);
}
