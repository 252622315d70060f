/** What will be started where. Ports, folders and counts are decided before anything starts. */
import { drawFreePorts, LocalClusterError, portState } from '#local-cluster';
import type { UpOptions } from './options.js';

/** The ports of one system, all on 127.0.0.1 and all different. */
export interface PortPlan {
  readonly gateways: readonly number[];
  /** When undefined, the brokers choose free ports, and choose again when they lose one. */
  readonly brokers: readonly number[] | undefined;
  /** When undefined, Postgres chooses a free port. */
  readonly postgres: number | undefined;
}

interface RequestedPort {
  readonly port: number;
  readonly purpose: string;
  readonly option: string;
}

const PORT_MAX = 65_535;

/** Decides the ports. Throws `LocalClusterError`, with the option to change, when one of them is not available. */
export async function planPorts(options: UpOptions): Promise<PortPlan> {
  if (options.ephemeral)
    return { gateways: await drawFreePorts(options.gateways), brokers: undefined, postgres: undefined };
  const requested = requestedPorts(options);
  const clash = findClash(requested);
  if (clash !== undefined) throw new LocalClusterError(clash);
  for (const { port, purpose, option } of requested) {
    const state = await portState(port);
    if (state === 'busy') {
      throw new LocalClusterError(
        `Port ${port} for ${purpose} is in use: choose another with ${option}, or take free ones with --ephemeral.`,
      );
    }
    if (state === 'forbidden') {
      throw new LocalClusterError(
        `Port ${port} for ${purpose} needs rights that this user does not have: choose one above 1023 with ${option}.`,
      );
    }
  }
  return {
    gateways: consecutive(options.port, options.gateways),
    brokers: consecutive(options.natsPort, options.nodes),
    postgres: options.postgresPort,
  };
}

/** What is wrong with a set of ports before any is tried; undefined when nothing is. */
export function findClash(requested: readonly RequestedPort[]): string | undefined {
  const taken = new Map<number, RequestedPort>();
  for (const one of requested) {
    if (one.port > PORT_MAX)
      return `Port ${one.port} for ${one.purpose} does not exist: choose a lower one with ${one.option}.`;
    const other = taken.get(one.port);
    if (other !== undefined) {
      return `Port ${one.port} is asked for by both ${other.purpose} and ${one.purpose}: change ${other.option} or ${one.option}.`;
    }
    taken.set(one.port, one);
  }
  return undefined;
}

/** Every port that the options ask for, with its option. */
export function requestedPorts(options: UpOptions): RequestedPort[] {
  return [
    ...consecutive(options.port, options.gateways).map((port, index) => ({
      port,
      purpose: `gateway-${index + 1}`,
      option: '--port',
    })),
    ...consecutive(options.natsPort, options.nodes).map((port, index) => ({
      port,
      purpose: `nats-${index + 1}`,
      option: '--nats-port',
    })),
    { port: options.postgresPort, purpose: 'Postgres', option: '--postgres-port' },
  ];
}

/**
 * The port of the metrics of one program. Each program takes the next one, gateways first.
 *
 * @param first the setting of the whole system; programs that choose a free port all have 0
 */
export function metricsPort(first: string | undefined, index: number): string | undefined {
  return first === undefined || Number(first) === 0 ? first : String(Number(first) + index);
}

function consecutive(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
