/** What will be started where, settled before anything is: ports, folders, counts. */
import { drawFreePorts, LocalClusterError, portState } from '#local-cluster';
import type { UpOptions } from './options.js';

/** The ports of one system, all on 127.0.0.1 and all different. */
export interface PortPlan {
  readonly gateways: readonly number[];
  /** Undefined: the brokers draw free ones, and again when they lose one. */
  readonly brokers: readonly number[] | undefined;
  /** Undefined: Postgres draws a free one. */
  readonly postgres: number | undefined;
}

interface WantedPort {
  readonly port: number;
  readonly purpose: string;
  readonly option: string;
}

const PORT_MAX = 65_535;

/** Settles the ports. Throws `LocalClusterError`, naming the option to change, when one of them cannot be had. */
export async function planPorts(options: UpOptions): Promise<PortPlan> {
  if (options.ephemeral)
    return { gateways: await drawFreePorts(options.gateways), brokers: undefined, postgres: undefined };
  const wanted = wantedPorts(options);
  const clash = findClash(wanted);
  if (clash !== undefined) throw new LocalClusterError(clash);
  for (const { port, purpose, option } of wanted) {
    const state = await portState(port);
    if (state === 'busy') {
      throw new LocalClusterError(
        `Port ${port} for ${purpose} is in use: choose another with ${option}, or take free ones with --ephemeral.`,
      );
    }
    if (state === 'forbidden') {
      throw new LocalClusterError(
        `Port ${port} for ${purpose} needs rights that this user has not: choose one above 1023 with ${option}.`,
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
export function findClash(wanted: readonly WantedPort[]): string | undefined {
  const taken = new Map<number, WantedPort>();
  for (const one of wanted) {
    if (one.port > PORT_MAX)
      return `Port ${one.port} for ${one.purpose} does not exist: choose a lower one with ${one.option}.`;
    const other = taken.get(one.port);
    if (other !== undefined) {
      return `Port ${one.port} is wanted for ${other.purpose} and for ${one.purpose}: change ${other.option} or ${one.option}.`;
    }
    taken.set(one.port, one);
  }
  return undefined;
}

/** Every port that the options ask for, and the option that asks. */
export function wantedPorts(options: UpOptions): WantedPort[] {
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

function consecutive(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
