/**
 * Finds the fields in which a stream or a consumer differs from its definition.
 *
 * An administrator of the brokers can change both by hand, and most of such changes do silent harm. A filter leaves
 * events where no worker sees them. A limit discards acknowledged events. A transform turns them into dead letters.
 *
 *   same ─▶ nothing is sent          (a standalone broker gives its stream another `created` with every update)
 *   differs ─▶ can it be corrected without loss? ─yes─▶ corrected, and reported
 *                                                └─no──▶ refused, with the field and both values
 *
 * Fields on which nothing of ours depends are left to operators: placement, compression, description, metadata,
 * `deny_delete`, `deny_purge`, `max_consumers`, `sample_freq`.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';

/** One field that differs. */
export interface Difference {
  readonly field: string;
  readonly has: unknown;
  readonly wants: unknown;
  /** Whether it can be corrected without loss. */
  readonly canBeMended: boolean;
  /** The reason why not, where the field does not show it. */
  readonly why?: string;
  /** Whether it endangers acknowledged events while it lasts. */
  readonly isDangerous: boolean;
}

/** A stream or consumer differs from its definition, and this program cannot or may not correct it. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError';

  /**
   * @param subject for example `the stream EVENTS`
   * @param remedy a sentence that says what to do
   */
  constructor(
    subject: string,
    readonly differences: readonly Difference[],
    remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${subject} differs from its definition: ${differencesText(differences)}. ${remedy}`, options);
  }
}

/** Every difference with both values, for people. */
export function differencesText(differences: readonly Difference[]): string {
  return differences
    .map(({ field, has, wants, why }) => {
      const text = `${field} is ${shown(has)}, should be ${shown(wants)}`;
      return why === undefined ? text : `${text} (${why})`;
    })
    .join('; ');
}

/** The fields that every stream of ours has in common, whatever its size. */
export function streamShape(subjectPrefix: string): Partial<StreamConfig> {
  return {
    subjects: [`${subjectPrefix}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    allow_direct: true,
    // Publishers send simultaneous events as atomic batches: see atomic-batches.ts.
    allow_atomic: true,
  };
}

/** The fields that every consumer of ours has in common, whatever its bounds. */
export const CONSUMER_SHAPE = {
  ack_policy: AckPolicy.Explicit,
  // The worker decides what is poison. A server-side limit would strand messages silently.
  max_deliver: -1,
  max_waiting: 512,
} as const satisfies Partial<ConsumerConfig>;

/**
 * Fields that a definition leaves out, with their values. Fields that are empty here must be absent, false or empty.
 */
const STREAM_DEFAULTS: Partial<Record<keyof StreamConfig, unknown>> = {
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  discard_new_per_subject: false,
  no_ack: false,
  sealed: false,
  mirror: undefined,
  sources: undefined,
  republish: undefined,
  subject_transform: undefined,
  consumer_limits: undefined,
  allow_rollup_hdrs: false,
  allow_msg_ttl: false,
  subject_delete_marker_ttl: undefined,
  allow_msg_counter: false,
  allow_msg_schedules: false,
  persist_mode: undefined,
};
const CONSUMER_DEFAULTS: Partial<Record<keyof ConsumerConfig, unknown>> = {
  filter_subject: undefined,
  filter_subjects: undefined,
  headers_only: false,
  backoff: undefined,
  inactive_threshold: undefined,
  max_batch: undefined,
  max_bytes: undefined,
  max_expires: undefined,
  num_replicas: undefined,
  mem_storage: false,
  priority_groups: undefined,
  priority_policy: undefined,
  priority_timeout: undefined,
  rate_limit_bps: undefined,
  replay_policy: ReplayPolicy.Instant,
  deliver_subject: undefined,
  flow_control: false,
  idle_heartbeat: undefined,
};

/** Fields that the brokers never change; retention cannot change to or from a work queue. */
const FIXED_STREAM_FIELDS = new Set<string>([
  'storage',
  'sealed',
  'mirror',
  'persist_mode',
  'allow_msg_ttl',
  'allow_msg_counter',
  'allow_msg_schedules',
]);
const FIXED_CONSUMER_FIELDS = new Set<string>([
  'ack_policy',
  'replay_policy',
  'max_waiting',
  'deliver_subject',
  'flow_control',
  'idle_heartbeat',
]);
/** These fields can discard, change or block an acknowledged event, or keep its body from the workers. */
const DANGEROUS_STREAM_FIELDS = new Set<string>([
  'subjects',
  'retention',
  'storage',
  'discard',
  'max_msgs_per_subject',
  'no_ack',
  'sealed',
  'mirror',
  'subject_transform',
  'allow_rollup_hdrs',
  'allow_msg_ttl',
  'allow_msg_counter',
  'persist_mode',
]);
const DANGEROUS_CONSUMER_FIELDS = new Set<string>(['ack_policy', 'headers_only']);

/** What the brokers' words for "as usual" mean. */
const USUAL: Readonly<Record<string, string>> = { persist_mode: 'default', priority_policy: 'none' };

/**
 * Compares a stream with its desired definition. Fields of neither `desired` nor the defaults are ignored.
 *
 * @param info the brokers' answer
 * @param isAllSettled whether no message of the stream waits for a worker; then messages may leave by age
 */
export function streamDifferences(
  info: Pick<StreamInfo, 'config' | 'state'>,
  desired: Partial<StreamConfig>,
  isAllSettled = true,
): Difference[] {
  const differences = compare(info.config, { ...STREAM_DEFAULTS, ...desired }).map((one) => ({
    ...one,
    canBeMended: !FIXED_STREAM_FIELDS.has(one.field) && !isFromWorkQueue(one),
    isDangerous: DANGEROUS_STREAM_FIELDS.has(one.field),
  }));
  return differences.map((one) =>
    one.field === 'max_age' && !isAllSettled && removesByAge(info, one)
      ? { ...one, canBeMended: false, why: 'it would remove events that no worker has settled yet' }
      : one,
  );
}

/**
 * Compares a consumer with its desired definition, like `streamDifferences`. A pause is a difference while it lasts.
 */
export function consumerDifferences(
  info: Pick<ConsumerInfo, 'config' | 'paused' | 'delivered' | 'ack_floor'>,
  desired: Partial<ConsumerConfig>,
): Difference[] {
  const { config } = info;
  const differences: Difference[] = compare(config, { ...CONSUMER_DEFAULTS, ...desired }).map((one) => {
    const isStranding = one.field === 'max_deliver' && info.ack_floor.stream_seq < info.delivered.stream_seq;
    return {
      ...one,
      canBeMended: !FIXED_CONSUMER_FIELDS.has(one.field) && !isStranding,
      isDangerous: DANGEROUS_CONSUMER_FIELDS.has(one.field),
      ...(isStranding && { why: 'messages that reached the limit would not be delivered again' }),
    };
  });
  const common = { canBeMended: false, isDangerous: false };
  const starts: readonly string[] = [DeliverPolicy.All, DeliverPolicy.StartSequence];
  if (!starts.includes(config.deliver_policy))
    differences.push({
      ...common,
      field: 'deliver_policy',
      has: config.deliver_policy,
      wants: DeliverPolicy.All,
    });
  if (info.paused === true)
    differences.push({ ...common, field: 'pause_until', has: config.pause_until, wants: undefined });
  return differences;
}

/** Whether a difference is a pause. An operator chose it for a while, and it loses nothing. */
export function isPause({ field }: Difference): boolean {
  return field === 'pause_until';
}

/** The fields of an update that corrects differences. */
export function mending(differences: readonly Difference[]): Record<string, unknown> {
  return Object.fromEntries(differences.map(({ field, wants }) => [field, wants]));
}

function compare(config: object, desired: object): Pick<Difference, 'field' | 'has' | 'wants'>[] {
  const has = config as Readonly<Record<string, unknown>>;
  return Object.entries(desired).flatMap(([field, wants]: [string, unknown]) =>
    isSame(field, has[field], wants) ? [] : [{ field, has: has[field], wants }],
  );
}

function isSame(field: string, has: unknown, wants: unknown): boolean {
  if (isEmpty(field, has) && isEmpty(field, wants)) return true;
  return JSON.stringify(has) === JSON.stringify(wants);
}

function isEmpty(field: string, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return !value || value === USUAL[field];
  return Object.values(value).every((part) => isEmpty(field, part));
}

function isFromWorkQueue({ field, has }: Pick<Difference, 'field' | 'has'>): boolean {
  return field === 'retention' && has === RetentionPolicy.Workqueue;
}

/** Whether the stream still has messages that are older than the desired age. */
function removesByAge({ state }: Pick<StreamInfo, 'state'>, { wants }: Pick<Difference, 'wants'>): boolean {
  if (state.messages === 0 || typeof wants !== 'number' || wants === 0) return false;
  return Date.now() - Date.parse(state.first_ts) > wants / 1e6;
}

function shown(value: unknown): string {
  return value === undefined || value === null ? 'not set' : JSON.stringify(value);
}
