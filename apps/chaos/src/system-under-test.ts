/**
 * The system that a run judges, in one shape, whether the judge started it or not.
 *
 * A system that the judge starts has short times, so that what takes minutes in production happens within a run.
 * Repeats come after the duplicate window, and a paused worker's messages are delivered again.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { readApiKey, readClientSettings } from '#config';
import type { GivenAddresses } from './options.js';
import { type Sabotage, SABOTAGES } from './options.js';
import { GivenSystem } from './system/given-system.js';
import { LocalSystem } from './system/local-system.js';
import { builtProgram } from './system/repository.js';
import type { Preparation, Target } from './system/target.js';

/** A system, and what the judge has to know of it. */
export interface SystemUnderTest {
  readonly target: Target;
  readonly gatewayUrls: readonly string[];
  /** The key that the gateways of a running system ask for: SEKALI_API_KEY, SEKALI_API_KEY_FILE. */
  readonly apiKey?: string | undefined;
  readonly natsUrls: readonly string[];
  readonly subjectPrefix: string;
  readonly duplicateWindowMs: number;
  /** Whether there is no other producer. */
  readonly alone: boolean;
  /** Whether its workers keep the judge's accounts. */
  readonly accounting: boolean;
  /** What it lacks although a fault needs it; one line each, for the user. */
  readonly notes: readonly string[];
  stop(): Promise<void>;
}

/** What a system is started with. */
export interface StartOptions {
  readonly folder: string;
  readonly nodes: number;
  readonly sabotage: Sabotage | undefined;
  /** What the chosen faults need. */
  readonly prepare: readonly Preparation[];
  /** How many messages will be sent, for the size of disks. */
  readonly messages: number;
  readonly signal: AbortSignal;
  readonly onLost: (what: string) => void;
}

const STREAM = 'EVENTS';
const SUBJECT_PREFIX = 'events';
const STORE = 'store';
const ACCOUNTS = 'accounts';
const DUPLICATE_WINDOW_MS = 5_000;
/** A disk holds all messages of a run, and the logs of the Raft groups. Filling it takes the same amount of memory. */
const MESSAGE_BYTES = 3_072;
const DISK_BYTES_MIN = 384 * 1024 ** 2;
const DISK_BYTES_MAX = 3 * 1024 ** 3;

const ENVIRONMENT = {
  SEKALI_STREAM: STREAM,
  SEKALI_SUBJECT_PREFIX: SUBJECT_PREFIX,
  SEKALI_CONSUMER: STORE,
  SEKALI_DUPLICATE_WINDOW_MS: String(DUPLICATE_WINDOW_MS),
  // Shorter than the pauses of the nemesis, longer than a transaction may take.
  SEKALI_ACK_WAIT_MS: '6000',
  SEKALI_TRANSACTION_MS_MAX: '4000',
};

/** Starts a system of the judge's own. When it cannot, it throws with the last lines of what failed. */
export async function startSystem(options: StartOptions): Promise<SystemUnderTest> {
  const { folder, nodes, sabotage, prepare, messages, signal, onLost } = options;
  const wrong = sabotage === undefined ? undefined : SABOTAGES[sabotage];
  const program = (app: 'worker' | 'gateway') => ({
    program: builtProgram(app, `judged/judged-${app}`),
    args: wrong === app && sabotage !== undefined ? [sabotage] : [],
  });
  const target = await LocalSystem.start({
    folder,
    nodes,
    prepare,
    diskBytes: Math.min(DISK_BYTES_MAX, Math.max(DISK_BYTES_MIN, messages * MESSAGE_BYTES)),
    signal,
    onLost,
    stream: STREAM,
    consumers: [STORE, ACCOUNTS],
    environment: ENVIRONMENT,
    // A correct worker would take half of the work of a wrong one.
    workers: wrong === 'worker' ? 0 : 1,
    worker: program('worker'),
    ...(wrong === 'gateway' && { gateway: program('gateway') }),
  });
  return {
    target,
    gatewayUrls: wrong === 'gateway' ? target.gatewayUrls.slice(-1) : target.gatewayUrls,
    natsUrls: target.natsUrls,
    subjectPrefix: SUBJECT_PREFIX,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    alone: true,
    accounting: true,
    notes: target.notes,
    stop: () => target.stop(),
  };
}

/** Connects to a running system. Throws when the brokers or Postgres do not answer. */
export async function connectSystem(addresses: GivenAddresses): Promise<SystemUnderTest> {
  const settings = readClientSettings();
  const target = await GivenSystem.connect({
    gatewayUrls: addresses.gateways,
    natsUrls: addresses.nats,
    postgresUrl: addresses.postgres,
    stream: settings.SEKALI_STREAM,
    consumers: [settings.SEKALI_CONSUMER],
  });
  const manager = await jetstreamManager(target.brokers, { checkAPI: false });
  const { config } = await manager.streams.info(settings.SEKALI_STREAM);
  return {
    target,
    gatewayUrls: addresses.gateways,
    apiKey: readApiKey(settings),
    natsUrls: addresses.nats,
    subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    duplicateWindowMs: config.duplicate_window / 1_000_000,
    alone: false,
    accounting: false,
    notes: [],
    stop: () => target.stop(),
  };
}
