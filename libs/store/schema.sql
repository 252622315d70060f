CREATE SCHEMA sekali;

CREATE TABLE sekali.api_key (
  key_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  topics text[],
  hash text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  revoked_at timestamp with time zone,
  defaults jsonb,
  CONSTRAINT api_key_defaults CHECK ((jsonb_typeof(defaults) = 'object'::text)),
  CONSTRAINT api_key_hash CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
  CONSTRAINT api_key_id PRIMARY KEY (key_id),
  CONSTRAINT api_key_scopes CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['publish'::text, 'read'::text, 'admin'::text]))),
  CONSTRAINT api_key_topics CHECK ((cardinality(topics) > 0))
);
COMMENT ON TABLE sekali.api_key IS 'Rows stay after they are revoked, so that nothing brings a revoked key back';
COMMENT ON COLUMN sekali.api_key.topics IS 'Topics, and prefixes that end in .>; null is all topics';
COMMENT ON COLUMN sekali.api_key.hash IS 'SHA-256 of the whole token: 32 random bytes need no slow hash';
COMMENT ON COLUMN sekali.api_key.defaults IS 'What records of the key do not say themselves: topic, source, id_field, time_field; null where every line has to be an event';

CREATE TABLE sekali.attempt (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  started integer NOT NULL,
  finished integer NOT NULL,
  last_error text,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT attempt_sequence PRIMARY KEY (stream_id, seq)
);
COMMENT ON TABLE sekali.attempt IS 'Messages under suspicion: started more often than finished means they end the process';

CREATE TABLE sekali.audit_result (
  audit_id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  stream text NOT NULL,
  verdict text NOT NULL,
  summary text NOT NULL,
  sequences bigint NOT NULL,
  in_flight bigint NOT NULL,
  seconds double precision NOT NULL,
  host text NOT NULL,
  role text NOT NULL DEFAULT SESSION_USER,
  ended_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT audit_result_pkey PRIMARY KEY (audit_id),
  CONSTRAINT audit_result_verdict CHECK ((verdict = ANY (ARRAY['whole'::text, 'violated'::text, 'unknown'::text])))
);
COMMENT ON TABLE sekali.audit_result IS 'What the last hundred audits found';
COMMENT ON COLUMN sekali.audit_result.summary IS 'The verdict in one sentence';
COMMENT ON COLUMN sekali.audit_result.host IS 'Where it ran';
COMMENT ON COLUMN sekali.audit_result.role IS 'As whom it was connected';

CREATE TABLE sekali.broker_duplicate (
  gateway uuid NOT NULL,
  topic text COLLATE "C" NOT NULL,
  dropped bigint NOT NULL,
  written_at timestamp with time zone,
  CONSTRAINT broker_duplicate_topic PRIMARY KEY (gateway, topic)
) WITH (fillfactor=50);
COMMENT ON TABLE sekali.broker_duplicate IS 'Totals a gateway process saw, written as totals so that writing twice changes nothing';
COMMENT ON COLUMN sekali.broker_duplicate.written_at IS 'When the gateway last wrote the row; a gateway that has not written for days has ended, and its rows are added to those of ffffffff-ffff-ffff-ffff-ffffffffffff';

CREATE TABLE sekali.consumer_start (
  stream_id integer NOT NULL,
  consumer text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT consumer_start_incarnation PRIMARY KEY (stream_id, consumer)
);
COMMENT ON TABLE sekali.consumer_start IS 'Consumers that were put back to where an incarnation begins';

CREATE TABLE sekali.counter (
  stream_id integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  shard smallint NOT NULL,
  stored bigint NOT NULL,
  duplicates bigint NOT NULL,
  conflicts bigint NOT NULL,
  dead_letters bigint NOT NULL,
  redelivered bigint NOT NULL,
  CONSTRAINT counter_topic PRIMARY KEY (stream_id, topic, shard)
) WITH (fillfactor=50);
COMMENT ON COLUMN sekali.counter.shard IS 'Transactions at work at the same time count in different rows; the sum is the figure';
CREATE TRIGGER counted_added AFTER INSERT ON sekali.counter REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added();
CREATE TRIGGER counted_changed AFTER UPDATE ON sekali.counter REFERENCING OLD TABLE AS older NEW TABLE AS newer FOR EACH STATEMENT EXECUTE FUNCTION count_changed();

CREATE TABLE sekali.dead_letter (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C",
  subject text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  headers text,
  body bytea NOT NULL,
  deliveries integer NOT NULL,
  published_at timestamp with time zone NOT NULL,
  recorded_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT dead_letter_sequence PRIMARY KEY (stream_id, seq)
);
CREATE INDEX dead_letter_event ON sekali.dead_letter USING btree (topic, event_id);
CREATE INDEX dead_letter_topic ON sekali.dead_letter USING btree (topic, stream_id, seq);

CREATE TABLE sekali.dead_letter_action (
  action_id uuid NOT NULL DEFAULT gen_random_uuid(),
  consumer text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  published_at timestamp with time zone NOT NULL,
  number integer NOT NULL,
  kind text NOT NULL,
  key_id text,
  key_name text,
  reason text,
  topic text COLLATE "C",
  event_id text COLLATE "C",
  body bytea,
  acted_at timestamp with time zone NOT NULL DEFAULT now(),
  replay_seq bigint,
  replayed_at timestamp with time zone,
  CONSTRAINT dead_letter_action_id PRIMARY KEY (action_id),
  CONSTRAINT dead_letter_action_kind CHECK ((((kind = 'replay'::text) AND (topic IS NOT NULL) AND (event_id IS NOT NULL)) OR ((kind = 'drop'::text) AND (reason IS NOT NULL)))),
  CONSTRAINT dead_letter_action_number UNIQUE (consumer, seq, published_at, number)
);
COMMENT ON TABLE sekali.dead_letter_action IS 'Replays and drops of dead letters, with the key that asked for them and why';
COMMENT ON COLUMN sekali.dead_letter_action.number IS 'Actions on one dead letter are counted, so two clients cannot begin the same one';
COMMENT ON COLUMN sekali.dead_letter_action.body IS 'What is published; null is the message as it came';
COMMENT ON COLUMN sekali.dead_letter_action.replay_seq IS 'Where the brokers have the replay; null until they acknowledged it';
CREATE INDEX dead_letter_action_event ON sekali.dead_letter_action USING btree (topic, event_id);

CREATE TABLE sekali.dropped_payload (
  topic text COLLATE "C" NOT NULL,
  day date NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,
  dropped_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT dropped_payload_day PRIMARY KEY (topic, day)
);
COMMENT ON TABLE sekali.dropped_payload IS 'How many events of a topic and a day in UTC have lost their rows in event by age; their keys stay';
COMMENT ON COLUMN sekali.dropped_payload.bytes IS 'Of the payloads as they were stored';
COMMENT ON COLUMN sekali.dropped_payload.dropped_at IS 'Of the last rows';
CREATE TRIGGER dropped_added AFTER INSERT ON sekali.dropped_payload REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_notes();
CREATE TRIGGER dropped_changed AFTER UPDATE ON sekali.dropped_payload REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION forget_notes();

CREATE TABLE sekali.dropped_row (
  stream_id integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  duplicates bigint NOT NULL,
  conflicts bigint NOT NULL,
  dead_letters bigint NOT NULL,
  CONSTRAINT dropped_row_topic PRIMARY KEY (stream_id, topic)
);
COMMENT ON TABLE sekali.dropped_row IS 'How many rows of a topic were dropped by age; counters still count them. Duplicates include conflicts';

CREATE TABLE sekali.dropped_sequence (
  stream_id integer NOT NULL,
  block bigint NOT NULL,
  duplicates bit(1024) NOT NULL,
  dead_letters bit(1024) NOT NULL,
  CONSTRAINT dropped_sequence_block PRIMARY KEY (stream_id, block)
);
COMMENT ON TABLE sekali.dropped_sequence IS 'The sequences of rows that were dropped by age: bit n of a block is its sequence 1024 * block + n';

CREATE TABLE sekali.duplicate (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  first_stream_id integer NOT NULL,
  first_seq bigint NOT NULL,
  conflict boolean NOT NULL,
  payload jsonb,
  published_at timestamp with time zone NOT NULL,
  recorded_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT duplicate_sequence PRIMARY KEY (stream_id, seq)
);
COMMENT ON COLUMN sekali.duplicate.payload IS 'Kept only where it differs from the stored one';
CREATE INDEX duplicate_first ON sekali.duplicate USING btree (first_seq);

CREATE TABLE sekali.event (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  "timestamp" timestamp with time zone NOT NULL,
  payload jsonb NOT NULL,
  published_at timestamp with time zone NOT NULL,
  stored_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT event_sequence PRIMARY KEY (stream_id, seq, stored_at)
) PARTITION BY RANGE (stored_at);
CREATE INDEX event_timestamp ON ONLY sekali.event USING btree ("timestamp");
CREATE INDEX event_topic ON ONLY sekali.event USING btree (topic, stream_id, seq);

CREATE TABLE sekali.event_default PARTITION OF sekali.event DEFAULT;

CREATE TABLE sekali.event_key (
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  digest bigint NOT NULL,
  stored_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT event_key_identity PRIMARY KEY (topic, event_id),
  CONSTRAINT event_key_sequence UNIQUE (stream_id, seq)
);
COMMENT ON COLUMN sekali.event_key.digest IS 'Of the payload as text: equal means the same payload, different means look closer';

CREATE TABLE sekali.event_sample (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  published_at timestamp with time zone NOT NULL,
  CONSTRAINT event_sample_sequence PRIMARY KEY (stream_id, seq)
);
COMMENT ON TABLE sekali.event_sample IS 'Some of the events that were dropped by age, the newest among them: the history of a stream is compared by when they were published';

CREATE TABLE sekali.forgotten_generation (
  number integer NOT NULL,
  keys bigint NOT NULL DEFAULT 0,
  streams integer NOT NULL,
  stream_id integer NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT '-9223372036854775808'::bigint,
  forgotten_at timestamp with time zone,
  dropped_at timestamp with time zone,
  CONSTRAINT forgotten_generation_number PRIMARY KEY (number)
);
COMMENT ON TABLE sekali.forgotten_generation IS 'Generations of keys whose ids are forgotten by age, or are being noted for that';
COMMENT ON COLUMN sekali.forgotten_generation.keys IS 'How many of its keys are noted';
COMMENT ON COLUMN sekali.forgotten_generation.streams IS 'The newest stream id when noting began: with a newer one, keys may have moved, and noting begins again';
COMMENT ON COLUMN sekali.forgotten_generation.seq IS 'With stream_id, up to where its keys are noted';
COMMENT ON COLUMN sekali.forgotten_generation.forgotten_at IS 'When it was emptied; until then its notes do not count';
COMMENT ON COLUMN sekali.forgotten_generation.dropped_at IS 'When its empty table was dropped; generation 0 stays';

CREATE TABLE sekali.forgotten_id (
  generation integer NOT NULL,
  stream_id integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  day date NOT NULL,
  ids bigint NOT NULL,
  CONSTRAINT forgotten_id_day PRIMARY KEY (stream_id, topic, day, generation)
);
COMMENT ON TABLE sekali.forgotten_id IS 'How many ids of a topic are forgotten, by the day in UTC on which their events were stored; counters still count them';

CREATE TABLE sekali.forgotten_sequence (
  generation integer NOT NULL,
  stream_id integer NOT NULL,
  block bigint NOT NULL,
  keys bit(1024) NOT NULL,
  CONSTRAINT forgotten_sequence_block PRIMARY KEY (stream_id, block, generation)
);
COMMENT ON TABLE sekali.forgotten_sequence IS 'The sequences of forgotten ids: bit n of a block is its sequence 1024 * block + n';

CREATE TABLE sekali.further_horizon (
  consumer text COLLATE "C" NOT NULL,
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT further_horizon_pkey PRIMARY KEY (consumer, stream_id)
);
COMMENT ON TABLE sekali.further_horizon IS 'The same as the table horizon, for the inboxes of further consumers';

CREATE TABLE sekali.histogram (
  topic text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  beginning timestamp with time zone NOT NULL,
  shard smallint NOT NULL,
  stored bigint NOT NULL,
  duplicates bigint NOT NULL,
  conflicts bigint NOT NULL,
  dead_letters bigint NOT NULL,
  CONSTRAINT histogram_bucket PRIMARY KEY (topic, kind, beginning, shard),
  CONSTRAINT histogram_kind CHECK ((kind = ANY (ARRAY['before'::text, 'open'::text, 'minute'::text, 'hour'::text, 'day'::text])))
) WITH (fillfactor=50);
COMMENT ON TABLE sekali.histogram IS 'Counts by topic and time of settling; summed over all rows of a topic they equal its counters';
COMMENT ON COLUMN sekali.histogram.kind IS 'Open minutes are counted in shards, and become minutes, hours and days with age; before is what was counted before the table existed';
COMMENT ON COLUMN sekali.histogram.shard IS 'In an open minute, the shard of the counter and 16 times its stream id modulo 2047; otherwise 0';
CREATE INDEX histogram_beginning ON sekali.histogram USING btree (kind, beginning);

CREATE TABLE sekali.horizon (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT horizon_pkey PRIMARY KEY (stream_id)
);
COMMENT ON TABLE sekali.horizon IS 'Every sequence up to here is settled; only a starting point, so it may lag';

CREATE TABLE sekali.index_rule (
  position integer NOT NULL,
  pattern text NOT NULL,
  expression text NOT NULL,
  kind text NOT NULL,
  CONSTRAINT index_rule_kind CHECK ((kind = ANY (ARRAY['none'::text, 'fields'::text, 'text'::text]))),
  CONSTRAINT index_rule_position PRIMARY KEY ("position")
);
COMMENT ON TABLE sekali.index_rule IS 'Which indexes of payloads closed days get: the first rule that matches a topic decides; none asks for no index';
COMMENT ON COLUMN sekali.index_rule.expression IS 'The pattern as a regular expression';
COMMENT ON COLUMN sekali.index_rule.kind IS 'fields: of members and their values; text: of these, and of any part of the text';

CREATE TABLE sekali.key_filter (
  generation integer NOT NULL,
  part integer NOT NULL,
  closed_at timestamp with time zone NOT NULL,
  keys bigint NOT NULL,
  words integer NOT NULL,
  checksum bigint NOT NULL,
  bits bytea NOT NULL,
  CONSTRAINT key_filter_part PRIMARY KEY (generation, part)
);
COMMENT ON TABLE sekali.key_filter IS 'Bloom filters of closed generations of keys, in parts; a worker builds a missing one';
COMMENT ON COLUMN sekali.key_filter.closed_at IS 'When the generation was closed';
COMMENT ON COLUMN sekali.key_filter.keys IS 'The keys in all parts';
COMMENT ON COLUMN sekali.key_filter.words IS 'The words of 32 bits in all parts';
COMMENT ON COLUMN sekali.key_filter.checksum IS 'The CRC-32 of bits';

CREATE TABLE sekali.key_generation (
  number integer NOT NULL,
  opened_at timestamp with time zone,
  closed_at timestamp with time zone,
  CONSTRAINT key_generation_number PRIMARY KEY (number)
);
COMMENT ON TABLE sekali.key_generation IS 'The tables of keys, from generation 0, event_key, to the youngest; empty before the first change';
COMMENT ON COLUMN sekali.key_generation.opened_at IS 'Null for generation 0';
COMMENT ON COLUMN sekali.key_generation.closed_at IS 'Null for the youngest generation, which takes the new keys';

CREATE TABLE sekali.message_id_secret (
  single boolean NOT NULL DEFAULT true,
  secret text NOT NULL,
  CONSTRAINT message_id_secret_pkey PRIMARY KEY (single),
  CONSTRAINT message_id_secret_single CHECK (single)
);
COMMENT ON TABLE sekali.message_id_secret IS 'What the digests in the message ids of gateways are keyed with: whoever knows it can have events dropped';

CREATE TABLE sekali.noted_day (
  partition text NOT NULL,
  streams integer NOT NULL,
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT noted_day_partition PRIMARY KEY (partition)
);
COMMENT ON TABLE sekali.noted_day IS 'Days of events that are being noted, to be dropped';
COMMENT ON COLUMN sekali.noted_day.streams IS 'The newest stream id when noting began: with a newer one, rows may have moved, and noting begins again';
COMMENT ON COLUMN sekali.noted_day.seq IS 'With stream_id, up to where its events are noted';

CREATE TABLE sekali.noted_payload (
  partition text NOT NULL,
  topic text COLLATE "C" NOT NULL,
  day date NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,
  CONSTRAINT noted_payload_day PRIMARY KEY (partition, topic, day)
);
COMMENT ON TABLE sekali.noted_payload IS 'What is noted of such a day; it becomes dropped_payload when the day is dropped';

CREATE TABLE sekali.program (
  program_id uuid NOT NULL,
  kind text NOT NULL,
  host text NOT NULL,
  process integer NOT NULL,
  started_at timestamp with time zone NOT NULL,
  seen_at timestamp with time zone NOT NULL DEFAULT now(),
  broker text,
  state text NOT NULL,
  held integer NOT NULL,
  messages bigint NOT NULL,
  per_second double precision NOT NULL,
  retention_at timestamp with time zone,
  CONSTRAINT program_kind CHECK ((kind = ANY (ARRAY['gateway'::text, 'worker'::text]))),
  CONSTRAINT program_pkey PRIMARY KEY (program_id),
  CONSTRAINT program_text CHECK (((octet_length(host) <= 255) AND (octet_length(broker) <= 255) AND (octet_length(state) <= 64)))
) WITH (fillfactor=50);
COMMENT ON TABLE sekali.program IS 'Gateways and workers that run; one that was killed stays for an hour';
COMMENT ON COLUMN sekali.program.process IS 'Its number on its host';
COMMENT ON COLUMN sekali.program.seen_at IS 'When it last wrote the row, which it does every ten seconds';
COMMENT ON COLUMN sekali.program.broker IS 'The broker that it is connected to; null where there is none';
COMMENT ON COLUMN sekali.program.held IS 'Messages that it is about to publish or to settle';
COMMENT ON COLUMN sekali.program.messages IS 'What a gateway had acknowledged, or a worker decided, since it started';
COMMENT ON COLUMN sekali.program.per_second IS 'The same, since the row was written before';
COMMENT ON COLUMN sekali.program.retention_at IS 'When a worker last dropped all that was older than its rule';

CREATE TABLE sekali.promise (
  gateway uuid NOT NULL,
  number bigint NOT NULL,
  stream text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  acked_at timestamp with time zone NOT NULL,
  CONSTRAINT promise_number PRIMARY KEY (gateway, number)
);
COMMENT ON TABLE sekali.promise IS 'The last event that the brokers acknowledged in each moment, kept for an hour: the audit looks for it';

CREATE TABLE sekali.retention_age (
  kind text NOT NULL,
  days integer NOT NULL,
  CONSTRAINT retention_age_days CHECK ((days > 0)),
  CONSTRAINT retention_age_kind PRIMARY KEY (kind),
  CONSTRAINT retention_age_known CHECK ((kind = ANY (ARRAY['duplicate'::text, 'conflict'::text, 'dead_letter'::text, 'id'::text])))
);
COMMENT ON TABLE sekali.retention_age IS 'How long rows of a kind are kept, in whole days in UTC; a kind without an age is kept for ever';

CREATE TABLE sekali.retention_rule (
  position integer NOT NULL,
  pattern text NOT NULL,
  expression text NOT NULL,
  days integer,
  CONSTRAINT retention_rule_days CHECK ((days > 0)),
  CONSTRAINT retention_rule_position PRIMARY KEY ("position")
);
COMMENT ON TABLE sekali.retention_rule IS 'How long payloads are kept: the first rule that matches a topic decides; none keeps them for ever';
COMMENT ON COLUMN sekali.retention_rule.expression IS 'The pattern as a regular expression';
COMMENT ON COLUMN sekali.retention_rule.days IS 'Whole days in UTC after that of storing; null is for ever';

CREATE TABLE sekali.store_loss (
  loss_id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  consumer text COLLATE "C" NOT NULL,
  stream_id integer NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  missing bigint NOT NULL,
  published_at timestamp with time zone NOT NULL,
  noticed_at timestamp with time zone NOT NULL DEFAULT now(),
  restored_at timestamp with time zone,
  CONSTRAINT store_loss_pkey PRIMARY KEY (loss_id)
);
COMMENT ON TABLE sekali.store_loss IS 'Each time that an inbox lacked what its consumer had acknowledged, because the database went back in time';
COMMENT ON COLUMN sekali.store_loss.first_seq IS 'Everything from here on is delivered again';
COMMENT ON COLUMN sekali.store_loss.last_seq IS 'The last sequence that was acknowledged by then';
COMMENT ON COLUMN sekali.store_loss.missing IS 'How many sequences from the first to the last had no row';
COMMENT ON COLUMN sekali.store_loss.published_at IS 'When the message under the first sequence was published';
COMMENT ON COLUMN sekali.store_loss.restored_at IS 'When every one of them had its row again; null until then';

CREATE TABLE sekali.stream (
  stream_id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
  name text NOT NULL,
  created text NOT NULL,
  seen_at timestamp with time zone NOT NULL DEFAULT now(),
  identity text DEFAULT created,
  revision integer NOT NULL DEFAULT 1,
  base_stream_id integer,
  base_seq bigint NOT NULL DEFAULT 0,
  CONSTRAINT stream_base UNIQUE (base_stream_id),
  CONSTRAINT stream_base_known FOREIGN KEY (base_stream_id) REFERENCES stream(stream_id),
  CONSTRAINT stream_incarnation UNIQUE (name, created, revision),
  CONSTRAINT stream_pkey PRIMARY KEY (stream_id)
);
COMMENT ON TABLE sekali.stream IS 'Each incarnation of a stream: a sequence means nothing without it';
COMMENT ON COLUMN sekali.stream.created IS 'The identity of a stream: what its metadata says, or the instant of its creation where it says nothing';
COMMENT ON COLUMN sekali.stream.identity IS 'The same: programs of the version before know the column that is written by its older name';
COMMENT ON COLUMN sekali.stream.base_seq IS 'Up to this sequence the messages and the rows are those of the base';

CREATE TABLE sekali.stream_floor (
  stream_id integer NOT NULL,
  seq bigint NOT NULL,
  noted_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT stream_floor_stream PRIMARY KEY (stream_id)
);
COMMENT ON TABLE sekali.stream_floor IS 'The first sequence that the stream still had when a worker last noted it';

CREATE TABLE sekali.webhook_secret (
  secret_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  topic text COLLATE "C" NOT NULL,
  provider text NOT NULL,
  source text NOT NULL,
  secret text,
  tolerance_seconds integer NOT NULL,
  headers text[] NOT NULL,
  rules jsonb,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  revoked_at timestamp with time zone,
  CONSTRAINT webhook_secret_pkey PRIMARY KEY (secret_id),
  CONSTRAINT webhook_secret_provider CHECK ((provider = ANY (ARRAY['standard'::text, 'github'::text, 'stripe'::text, 'shopify'::text, 'hmac'::text]))),
  CONSTRAINT webhook_secret_rules CHECK (((provider = 'hmac'::text) = (rules IS NOT NULL))),
  CONSTRAINT webhook_secret_secret CHECK (((secret <> ''::text) AND ((secret IS NULL) = (revoked_at IS NOT NULL)))),
  CONSTRAINT webhook_secret_tolerance CHECK ((tolerance_seconds > 0))
);
COMMENT ON TABLE sekali.webhook_secret IS 'Who may sign deliveries to a topic. Several rows of a topic are valid at a time, so that a secret can be changed';
COMMENT ON COLUMN sekali.webhook_secret.secret IS 'As it is, because an HMAC cannot be verified with a hash of its key; null once it is revoked';
COMMENT ON COLUMN sekali.webhook_secret.rules IS 'How a sender signs that is none of the known ones';

CREATE VIEW sekali.conflicts AS
 SELECT repeat.topic,
    repeat.event_id,
    repeat.payload,
    stored.payload AS first_payload,
    repeat.stream_id,
    repeat.seq,
    repeat.first_stream_id,
    repeat.first_seq,
    repeat.published_at,
    repeat.recorded_at
   FROM ((duplicate repeat
     LEFT JOIN event_key key ON (((key.topic = repeat.topic) AND (key.event_id = repeat.event_id))))
     LEFT JOIN event stored ON (((stored.stream_id = key.stream_id) AND (stored.seq = key.seq) AND (stored.stored_at = key.stored_at))))
  WHERE repeat.conflict;
COMMENT ON VIEW sekali.conflicts IS 'Repeats with another payload, which was not stored. first_payload is that of the event; null when it was dropped by age';

CREATE VIEW sekali.counts AS
 SELECT topic,
    beginning,
        CASE kind
            WHEN 'day'::text THEN '1 day'::interval
            WHEN 'hour'::text THEN '01:00:00'::interval
            WHEN 'before'::text THEN NULL::interval
            ELSE '00:01:00'::interval
        END AS length,
    (sum(stored))::bigint AS stored,
    (sum(duplicates))::bigint AS duplicates,
    (sum(conflicts))::bigint AS conflicts,
    (sum(dead_letters))::bigint AS dead_letters
   FROM histogram
  GROUP BY topic, beginning,
        CASE kind
            WHEN 'day'::text THEN '1 day'::interval
            WHEN 'hour'::text THEN '01:00:00'::interval
            WHEN 'before'::text THEN NULL::interval
            ELSE '00:01:00'::interval
        END;
COMMENT ON VIEW sekali.counts IS 'How many messages were settled when, by topic. Duplicates include conflicts. Without a length, it is what was settled before beginning';

CREATE VIEW sekali.dead_letters AS
 SELECT letter.topic,
    letter.event_id,
    letter.subject,
    letter.reason,
    letter.detail,
    letter.body,
    letter.deliveries,
    letter.stream_id,
    letter.seq,
    letter.published_at,
    letter.recorded_at,
    last.kind AS last_action,
    last.acted_at AS last_action_at,
    last.key_name AS last_action_by,
    last.reason AS last_action_reason
   FROM (dead_letter letter
     LEFT JOIN LATERAL ( SELECT action.kind,
            action.acted_at,
            action.key_name,
            action.reason
           FROM dead_letter_action action
          WHERE ((action.consumer = 'store'::text) AND (action.seq = letter.seq) AND (action.published_at = letter.published_at))
          ORDER BY action.number DESC
         LIMIT 1) last ON (true));
COMMENT ON VIEW sekali.dead_letters IS 'Messages that were given up, with the last replay or drop of each';

CREATE VIEW sekali.duplicates AS
 SELECT topic,
    event_id,
    conflict,
    stream_id,
    seq,
    first_stream_id,
    first_seq,
    published_at,
    recorded_at
   FROM duplicate;
COMMENT ON VIEW sekali.duplicates IS 'Messages that repeated an event that was stored, conflicts included; brokers dropped others before';

CREATE VIEW sekali.events AS
 SELECT topic,
    event_id,
    source,
    "timestamp",
    payload,
    stream_id,
    seq,
    published_at,
    stored_at
   FROM event;
COMMENT ON VIEW sekali.events IS 'What is stored. A condition on stored_at leaves out whole days; one on topic uses an index';

CREATE OR REPLACE FUNCTION sekali.aged_generations()
 RETURNS TABLE(number integer, name text, kept_for text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  cutoff timestamptz := (
    SELECT date_trunc('day', now(), 'UTC') - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'id');
  aged record;
  is_needed boolean;
BEGIN
  FOR aged IN
    SELECT generation.number, 'event_key' || CASE generation.number WHEN 0 THEN '' ELSE '_g' || generation.number END AS name, closed_at
    FROM sekali.key_generation generation WHERE closed_at < cutoff ORDER BY 1
  LOOP
    number := aged.number;
    name := aged.name;
    kept_for := NULL;
    IF EXISTS (SELECT FROM sekali.event WHERE stored_at < date_trunc('day', aged.closed_at, 'UTC') + interval '24 hours') THEN
      kept_for := 'payloads';
    ELSE
      EXECUTE format('
        WITH RECURSIVE newest (stream_id, seq) AS (
          (SELECT stream_id, seq FROM ONLY sekali.%1$I ORDER BY stream_id DESC, seq DESC LIMIT 1)
          UNION ALL
          SELECT older.stream_id, older.seq FROM newest CROSS JOIN LATERAL (
            SELECT stream_id, seq FROM ONLY sekali.%1$I key WHERE key.stream_id < newest.stream_id
            ORDER BY stream_id DESC, seq DESC LIMIT 1
          ) older
        )
        SELECT EXISTS (
          SELECT FROM newest
          LEFT JOIN sekali.stream own USING (stream_id)
          LEFT JOIN sekali.stream following ON following.base_stream_id = newest.stream_id
          LEFT JOIN sekali.stream_floor floor ON floor.stream_id = newest.stream_id
          WHERE NOT EXISTS (
            SELECT FROM sekali.stream replacing
            WHERE replacing.name = own.name AND replacing.created <> own.created AND replacing.stream_id > own.stream_id
          ) AND CASE
            WHEN following.stream_id IS NULL THEN newest.seq <= sekali.droppable_up_to(newest.stream_id)
            ELSE least(newest.seq, following.base_seq) < floor.seq
          END IS NOT TRUE
        )', aged.name) INTO is_needed;
      IF is_needed THEN kept_for := 'messages'; END IF;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.aged_ids()
 RETURNS TABLE(generation integer, ids bigint, bytes bigint, kept_for text)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  aged record;
BEGIN
  FOR aged IN SELECT * FROM sekali.aged_generations() LOOP
    generation := aged.number;
    kept_for := aged.kept_for;
    bytes := pg_total_relation_size(format('sekali.%I', aged.name)::regclass);
    EXECUTE format('SELECT count(*) FROM ONLY sekali.%I', aged.name) INTO ids;
    RETURN NEXT;
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.aged_payloads(counted boolean)
 RETURNS TABLE(day text, since timestamp with time zone, topic text, is_whole boolean, rows bigint, bytes bigint)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
DECLARE
  part record;
BEGIN
  IF NOT EXISTS (SELECT FROM sekali.retention_rule WHERE days IS NOT NULL) THEN RETURN; END IF;
  FOR part IN SELECT * FROM sekali.payload_days() ORDER BY until NULLS LAST LOOP
    CONTINUE WHEN part.since >= date_trunc('day', now(), 'UTC') - interval '24 hours';
    BEGIN
      RETURN QUERY EXECUTE format($query$
      WITH RECURSIVE present (topic) AS (
        (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
        UNION ALL
        SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
        FROM present WHERE present.topic IS NOT NULL
      ), judged AS MATERIALIZED (
        SELECT topic, sekali.payload_cutoff(topic) AS cutoff FROM present WHERE topic IS NOT NULL
      ), day AS (
        SELECT coalesce($2 <= date_trunc('day', now(), 'UTC') - interval '24 hours'
          AND NOT EXISTS (SELECT FROM judged WHERE cutoff >= $2 IS NOT TRUE), false) AS is_whole
      )
      SELECT %1$L::text, $1, topic, is_whole, CASE WHEN $3 THEN size.rows END, CASE WHEN $3 THEN size.bytes END
      FROM judged CROSS JOIN day CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum(pg_column_size(payload)), 0)::bigint AS bytes
        FROM (SELECT payload FROM sekali.%1$I aged
              WHERE aged.topic = judged.topic AND stored_at < cutoff LIMIT CASE WHEN NOT $3 THEN 1 END) those
      ) size
      WHERE size.rows > 0
      UNION ALL
      SELECT %1$L, $1, NULL, true, CASE WHEN $3 THEN 0::bigint END, CASE WHEN $3 THEN 0::bigint END
      FROM day WHERE is_whole AND NOT EXISTS (SELECT FROM judged)$query$, part.day)
      USING part.since, part.until, counted;
    EXCEPTION WHEN undefined_table THEN
      -- Another session has dropped it.
      NULL;
    END;
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.aged_rows()
 RETURNS TABLE(kind text, rows bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  WITH cutoff AS (
    SELECT kind, date_trunc('day', now(), 'UTC') - days * interval '24 hours' AS instant FROM sekali.retention_age
  ), place AS MATERIALIZED (
    SELECT stream_id, sekali.droppable_up_to(stream_id) AS up_to FROM sekali.stream_floor
  )
  SELECT kind, count(*) FROM (
    SELECT CASE WHEN conflict THEN 'conflict' ELSE 'duplicate' END AS kind, recorded_at
    FROM sekali.duplicate JOIN place USING (stream_id) WHERE seq <= up_to
    UNION ALL
    SELECT 'dead_letter', recorded_at FROM sekali.dead_letter JOIN place USING (stream_id) WHERE seq <= up_to
  ) settled JOIN cutoff USING (kind) WHERE recorded_at < cutoff.instant GROUP BY kind ORDER BY kind
$function$;

CREATE OR REPLACE FUNCTION sekali.change_key_generation(consumer text, expected integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
DECLARE
  keys text := CASE consumer WHEN 'store' THEN 'event_key' ELSE consumer || '_key' END;
  registry text := CASE consumer WHEN 'store' THEN 'key_generation' ELSE consumer || '_key_generation' END;
  youngest text := keys || CASE expected WHEN 0 THEN '' ELSE '_g' || expected END;
  current integer;
  generations integer;
  is_filled boolean;
BEGIN
  IF consumer IS NULL OR expected IS NULL OR consumer !~ '^[a-z][a-z0-9_]{0,30}$' OR
     (consumer <> 'store' AND to_regclass(format('sekali.%I', consumer || '_attempt')) IS NULL)
  THEN
    RAISE EXCEPTION '"%" has no inbox whose keys could begin another generation', consumer USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365004);
  IF to_regclass(format('sekali.%I', registry)) IS NULL THEN
    PERFORM sekali.make_likeness(registry, 'key_generation');
  END IF;
  EXECUTE format('SELECT coalesce(max(number), 0) FROM sekali.%I', registry) INTO current;
  IF current <> expected THEN RETURN NULL; END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM ONLY sekali.%I)', youngest) INTO is_filled;
  IF NOT is_filled THEN RETURN NULL; END IF;
  EXECUTE format('SELECT count(*) FROM sekali.%I', registry) INTO generations;
  IF generations > 1000 THEN
    RAISE EXCEPTION 'the keys of "%" have 1,000 generations already', consumer USING ERRCODE = '54000';
  END IF;
  PERFORM sekali.make_likeness(format('%s_g%s', keys, expected + 1), keys, keys);
  IF expected = 0 THEN
    EXECUTE format('INSERT INTO sekali.%I (number) VALUES (0)', registry);
  END IF;
  EXECUTE format('UPDATE sekali.%I SET closed_at = clock_timestamp() WHERE number = $1', registry) USING expected;
  EXECUTE format('INSERT INTO sekali.%I (number, opened_at) VALUES ($1, clock_timestamp())', registry) USING expected + 1;
  EXECUTE format('CREATE TRIGGER closed BEFORE INSERT ON sekali.%I FOR EACH STATEMENT EXECUTE FUNCTION sekali.refuse_keys()',
    youngest);
  RETURN expected + 1;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.change_payload_index()
 RETURNS TABLE(name text, is_built boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '2000'
 SET max_parallel_maintenance_workers TO '0'
AS $function$
#variable_conflict use_column
DECLARE
  part record;
  most integer := (SELECT coalesce(max(CASE kind WHEN 'text' THEN 2 WHEN 'fields' THEN 1 ELSE 0 END), 0) FROM sekali.index_rule);
  asked integer;
  trigrams text := (SELECT nspname FROM pg_extension JOIN pg_namespace space ON space.oid = extnamespace WHERE extname = 'pg_trgm');
BEGIN
  IF NOT pg_try_advisory_xact_lock(7365030) THEN
    RETURN QUERY SELECT NULL::text, NULL::boolean;
    RETURN;
  END IF;
  FOR part IN
    SELECT day, to_regclass(format('sekali.%I', day || '_by_fields')) IS NOT NULL AS has_fields,
      to_regclass(format('sekali.%I', day || '_by_text')) IS NOT NULL AS has_text
    FROM sekali.payload_days() WHERE until < now() - interval '1 hour' ORDER BY until DESC
  LOOP
    CONTINUE WHEN NOT (most > 0 OR part.has_fields OR part.has_text);
    asked := 0;
    IF most > 0 THEN
      EXECUTE format($query$
        WITH RECURSIVE present (topic) AS (
          (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
          UNION ALL
          SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
          FROM present WHERE present.topic IS NOT NULL
        ), asking AS MATERIALIZED (
          SELECT (
            SELECT CASE kind WHEN 'text' THEN 2 WHEN 'fields' THEN 1 ELSE 0 END
            FROM sekali.index_rule WHERE topic ~ expression ORDER BY position LIMIT 1
          ) AS asked FROM present
        )
        SELECT CASE WHEN EXISTS (SELECT FROM asking WHERE asked = $1) THEN $1
          ELSE (SELECT coalesce(max(asked), 0) FROM asking) END$query$, part.day) INTO asked USING most;
    END IF;
    IF asked >= 1 AND NOT part.has_fields THEN
      EXECUTE format('CREATE INDEX %I ON sekali.%I USING gin (payload jsonb_path_ops)', part.day || '_by_fields', part.day);
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_fields', true;
      RETURN;
    ELSIF asked >= 2 AND NOT part.has_text AND trigrams IS NOT NULL THEN
      EXECUTE format('CREATE INDEX %I ON sekali.%I USING gin ((payload::text) %I.gin_trgm_ops)',
        part.day || '_by_text', part.day, trigrams);
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_text', true;
      RETURN;
    ELSIF asked < 1 AND part.has_fields THEN
      EXECUTE format('DROP INDEX sekali.%I', part.day || '_by_fields');
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_fields', false;
      RETURN;
    ELSIF asked < 2 AND part.has_text THEN
      EXECUTE format('DROP INDEX sekali.%I', part.day || '_by_text');
      RETURN QUERY SELECT 'sekali.' || part.day || '_by_text', false;
      RETURN;
    END IF;
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.count_added()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO sekali.histogram AS bucket (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
  SELECT topic, 'open', date_trunc('minute', now(), 'UTC'), shard,
    sum(stored), sum(duplicates), sum(conflicts), sum(dead_letters)
  FROM (SELECT topic, (16 * (stream_id % 2047) + shard)::smallint AS shard, stored, duplicates, conflicts, dead_letters FROM added) change
  GROUP BY topic, shard
  HAVING sum(stored) <> 0 OR sum(duplicates) <> 0 OR sum(conflicts) <> 0 OR sum(dead_letters) <> 0
  ORDER BY topic, shard
  ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET
    stored = bucket.stored + excluded.stored,
    duplicates = bucket.duplicates + excluded.duplicates,
    conflicts = bucket.conflicts + excluded.conflicts,
    dead_letters = bucket.dead_letters + excluded.dead_letters;
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.count_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO sekali.histogram AS bucket (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
  SELECT topic, 'open', date_trunc('minute', now(), 'UTC'), shard,
    sum(stored), sum(duplicates), sum(conflicts), sum(dead_letters)
  FROM (SELECT topic, (16 * (stream_id % 2047) + shard)::smallint AS shard, stored, duplicates, conflicts, dead_letters FROM newer
    UNION ALL SELECT topic, (16 * (stream_id % 2047) + shard)::smallint AS shard, -stored, -duplicates, -conflicts, -dead_letters FROM older) change
  GROUP BY topic, shard
  HAVING sum(stored) <> 0 OR sum(duplicates) <> 0 OR sum(conflicts) <> 0 OR sum(dead_letters) <> 0
  ORDER BY topic, shard
  ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET
    stored = bucket.stored + excluded.stored,
    duplicates = bucket.duplicates + excluded.duplicates,
    conflicts = bucket.conflicts + excluded.conflicts,
    dead_letters = bucket.dead_letters + excluded.dead_letters;
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.drop_aged_rows(asked integer, after_seq bigint, rows_max integer)
 RETURNS TABLE(duplicates bigint, conflicts bigint, dead_letters bigint, seq bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
#variable_conflict use_column
DECLARE
  today timestamptz := date_trunc('day', now(), 'UTC');
  duplicate_cutoff timestamptz := (SELECT today - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'duplicate');
  conflict_cutoff timestamptz := (SELECT today - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'conflict');
  letter_cutoff timestamptz := (SELECT today - days * interval '24 hours' FROM sekali.retention_age WHERE kind = 'dead_letter');
  up_to bigint := sekali.droppable_up_to(asked);
  no_bits bit(1024) := repeat('0', 1024)::bit(1024);
BEGIN
  IF rows_max NOT BETWEEN 1 AND 10000 OR rows_max IS NULL THEN
    RAISE EXCEPTION 'a step drops 1 to 10,000 rows, not %', rows_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  RETURN QUERY
  WITH walked AS MATERIALIZED (
    (SELECT seq, recorded_at < CASE WHEN conflict THEN conflict_cutoff ELSE duplicate_cutoff END AND NOT EXISTS (
        SELECT FROM sekali.dead_letter_action action
        WHERE action.topic = again.topic AND action.event_id = again.event_id AND action.replay_seq = again.seq) AS is_duplicate,
      false AS is_letter, recorded_at
     FROM sekali.duplicate again WHERE coalesce(duplicate_cutoff, conflict_cutoff) IS NOT NULL
       AND stream_id = asked AND seq > after_seq AND seq <= up_to ORDER BY seq LIMIT rows_max)
    UNION ALL
    (SELECT seq, false, recorded_at < letter_cutoff, recorded_at
     FROM sekali.dead_letter WHERE letter_cutoff IS NOT NULL
       AND stream_id = asked AND seq > after_seq AND seq <= up_to ORDER BY seq LIMIT rows_max)
    ORDER BY 1 LIMIT rows_max
  ), repeats AS (
    DELETE FROM sekali.duplicate again
    WHERE stream_id = asked AND again.seq = ANY (ARRAY(SELECT seq FROM walked WHERE is_duplicate))
    RETURNING again.seq, again.topic, again.conflict
  ), letters AS (
    DELETE FROM sekali.dead_letter letter
    WHERE stream_id = asked AND letter.seq = ANY (ARRAY(SELECT seq FROM walked WHERE is_letter))
    RETURNING letter.seq, letter.topic, letter.published_at
  ), actions AS (
    DELETE FROM sekali.dead_letter_action action USING letters
    WHERE action.consumer = 'store' AND action.seq = letters.seq AND action.published_at = letters.published_at
  ), gone AS (
    SELECT seq, topic, 1 AS is_repeat, conflict::integer AS is_conflict, 0 AS is_letter FROM repeats
    UNION ALL SELECT seq, topic, 0, 0, 1 FROM letters
  ), noted AS (
    INSERT INTO sekali.dropped_row AS known (stream_id, topic, duplicates, conflicts, dead_letters)
    SELECT asked, topic, sum(is_repeat), sum(is_conflict), sum(is_letter) FROM gone GROUP BY topic ORDER BY topic
    ON CONFLICT (stream_id, topic) DO UPDATE SET duplicates = known.duplicates + excluded.duplicates,
      conflicts = known.conflicts + excluded.conflicts, dead_letters = known.dead_letters + excluded.dead_letters
  ), marked AS (
    INSERT INTO sekali.dropped_sequence AS known (stream_id, block, duplicates, dead_letters)
    SELECT asked, seq / 1024, bit_or(set_bit(no_bits, (seq % 1024)::integer, is_repeat)),
      bit_or(set_bit(no_bits, (seq % 1024)::integer, is_letter))
    FROM gone GROUP BY 2 ORDER BY 2
    ON CONFLICT (stream_id, block) DO UPDATE SET
      duplicates = known.duplicates | excluded.duplicates, dead_letters = known.dead_letters | excluded.dead_letters
  )
  SELECT (SELECT count(*) FROM repeats), (SELECT count(*) FROM repeats WHERE conflict), (SELECT count(*) FROM letters),
    -- What was recorded later is not older.
    (SELECT max(walked.seq) FROM walked HAVING count(*) = rows_max
       AND min(recorded_at) < greatest(duplicate_cutoff, conflict_cutoff, letter_cutoff));
END
$function$;

CREATE OR REPLACE FUNCTION sekali.drop_payload_day(asked text)
 RETURNS TABLE(rows bigint, bytes bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
#variable_conflict use_column
DECLARE
  part record;
  is_kept boolean;
  dropped record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  SELECT * INTO part FROM sekali.payload_days() WHERE day = asked AND until <= date_trunc('day', now(), 'UTC') - interval '24 hours';
  IF NOT FOUND OR NOT EXISTS (SELECT FROM sekali.retention_rule WHERE days IS NOT NULL) THEN RETURN; END IF;
  -- It ends a vacuum of the day, and lets everyone read and write.
  EXECUTE format('LOCK TABLE sekali.%I IN SHARE UPDATE EXCLUSIVE MODE', part.day);
  EXECUTE format('
    WITH RECURSIVE present (topic) AS (
      (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
      UNION ALL
      SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
      FROM present WHERE present.topic IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM present WHERE topic IS NOT NULL AND sekali.payload_cutoff(topic) >= $1 IS NOT TRUE)', part.day)
    INTO is_kept USING part.until;
  IF is_kept THEN RETURN; END IF;
  -- A reader may stay for hours, so nothing is counted before the lock was there once. The error lets go of it.
  BEGIN
    SET LOCAL lock_timeout = 200;
    EXECUTE format('LOCK TABLE ONLY sekali.event, sekali.%I IN ACCESS EXCLUSIVE MODE', part.day);
    RAISE EXCEPTION 'the day can be locked' USING ERRCODE = 'RD001';
  EXCEPTION WHEN SQLSTATE 'RD001' THEN
    NULL;
  END;
  EXECUTE format('
    WITH newest AS MATERIALIZED (
      SELECT stream_id, (SELECT max(seq) FROM sekali.event_key key WHERE key.stream_id = stream.stream_id) AS seq FROM sekali.stream
    )
    INSERT INTO sekali.event_sample (stream_id, seq, topic, event_id, published_at)
    SELECT stream_id, stored.seq, topic, event_id, published_at
    FROM sekali.%I stored LEFT JOIN newest USING (stream_id)
    WHERE stored.seq %% 1000 = 0 OR stored.seq > coalesce(newest.seq, 0) - 8
    ON CONFLICT DO NOTHING', part.day);
  EXECUTE format('
    WITH gone AS (
      SELECT topic, (stored_at AT TIME ZONE ''UTC'')::date AS day, count(*) AS rows, sum(pg_column_size(payload)) AS bytes
      FROM sekali.%I GROUP BY 1, 2
    ), noted AS (
      INSERT INTO sekali.dropped_payload AS known (topic, day, rows, bytes)
      SELECT * FROM gone ORDER BY 1, 2
      ON CONFLICT (topic, day) DO UPDATE SET
        rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes, dropped_at = excluded.dropped_at
    )
    SELECT coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone', part.day)
    INTO dropped;
  -- Every insert and page waits behind this lock, so each try is short, and the pauses are longer.
  FOR try IN 1 .. 12 LOOP
    BEGIN
      SET LOCAL lock_timeout = 200;
      EXECUTE format('DROP TABLE sekali.%I', part.day);
      RETURN QUERY SELECT dropped.rows, dropped.bytes;
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      IF try = 12 THEN RAISE; END IF;
      PERFORM pg_sleep(5);
    END;
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.drop_payload_day_step(asked text, rows_max integer)
 RETURNS TABLE(rows bigint, bytes bigint, is_dropped boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
#variable_conflict use_column
DECLARE
  part record;
  noted sekali.noted_day;
  newest_stream integer := (SELECT max(stream_id) FROM sekali.stream);
  is_begun boolean;
  is_kept boolean;
  walked record;
BEGIN
  IF rows_max NOT BETWEEN 1 AND 100000 OR rows_max IS NULL THEN
    RAISE EXCEPTION 'a step notes 1 to 100,000 rows, not %', rows_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  SELECT * INTO part FROM sekali.payload_days() WHERE day = asked AND until <= date_trunc('day', now(), 'UTC') - interval '24 hours';
  IF NOT FOUND OR NOT EXISTS (SELECT FROM sekali.retention_rule WHERE days IS NOT NULL) THEN RETURN; END IF;
  SELECT * INTO noted FROM sekali.noted_day WHERE partition = asked AND streams = newest_stream;
  is_begun := FOUND;
  IF is_begun THEN
    EXECUTE format('
      WITH newest AS MATERIALIZED (
        SELECT stream_id, (SELECT max(seq) FROM sekali.event_key key WHERE key.stream_id = stream.stream_id) AS seq FROM sekali.stream
      ), walked AS MATERIALIZED (
        SELECT stream_id, seq, topic, event_id, published_at, stored_at, pg_column_size(payload) AS bytes FROM sekali.%I
        WHERE (stream_id, seq) > ($2, $3) ORDER BY stream_id, seq LIMIT $4
      ), sampled AS (
        INSERT INTO sekali.event_sample (stream_id, seq, topic, event_id, published_at)
        SELECT stream_id, walked.seq, topic, event_id, published_at
        FROM walked LEFT JOIN newest USING (stream_id)
        WHERE walked.seq %% 1000 = 0 OR walked.seq > coalesce(newest.seq, 0) - 8
        ON CONFLICT DO NOTHING
      ), counted AS (
        INSERT INTO sekali.noted_payload AS known (partition, topic, day, rows, bytes)
        SELECT $1, topic, (stored_at AT TIME ZONE ''UTC'')::date, count(*), sum(bytes) FROM walked GROUP BY 2, 3
        ON CONFLICT (partition, topic, day) DO UPDATE SET rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes
      )
      SELECT stream_id, seq, (SELECT count(*) FROM walked) AS rows, (SELECT sum(bytes) FROM walked) AS bytes
      FROM walked ORDER BY 1 DESC, 2 DESC LIMIT 1', part.day)
      INTO walked USING asked, noted.stream_id, noted.seq, rows_max;
    IF walked.rows > 0 THEN
      UPDATE sekali.noted_day SET stream_id = walked.stream_id, seq = walked.seq WHERE partition = asked;
      RETURN QUERY SELECT walked.rows, walked.bytes, false;
      RETURN;
    END IF;
    -- Nobody may change a row from here on, and everyone may read. It ends a vacuum of the day.
    EXECUTE format('LOCK TABLE sekali.%I IN SHARE MODE', part.day);
    -- Rows get another stream id only in a transaction that adds a stream.
    is_begun := (SELECT max(stream_id) FROM sekali.stream) = newest_stream;
  END IF;
  IF noted IS NULL THEN
    -- A reader may stay for hours, so nothing is noted before the lock was there once. The error lets go of it.
    BEGIN
      SET LOCAL lock_timeout = 200;
      EXECUTE format('LOCK TABLE ONLY sekali.event, sekali.%I IN ACCESS EXCLUSIVE MODE', part.day);
      RAISE EXCEPTION 'the day can be locked' USING ERRCODE = 'RD001';
    EXCEPTION WHEN SQLSTATE 'RD001' THEN
      NULL;
    END;
  END IF;
  EXECUTE format('
    WITH RECURSIVE present (topic) AS (
      (SELECT topic FROM sekali.%1$I ORDER BY topic LIMIT 1)
      UNION ALL
      SELECT (SELECT topic FROM sekali.%1$I following WHERE following.topic > present.topic ORDER BY topic LIMIT 1)
      FROM present WHERE present.topic IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM present WHERE topic IS NOT NULL AND sekali.payload_cutoff(topic) >= $1 IS NOT TRUE)', part.day)
    INTO is_kept USING part.until;
  IF is_kept OR NOT is_begun THEN
    DELETE FROM sekali.noted_payload WHERE partition = asked;
    DELETE FROM sekali.noted_day WHERE partition = asked;
    IF is_kept THEN RETURN; END IF;
    INSERT INTO sekali.noted_day (partition, streams, stream_id, seq)
    VALUES (asked, newest_stream, 0, -9223372036854775808);
    RETURN QUERY SELECT 0::bigint, 0::bigint, false;
    RETURN;
  END IF;
  RETURN QUERY SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(bytes), 0)::bigint, true
  FROM sekali.noted_payload WHERE partition = asked;
  INSERT INTO sekali.dropped_payload AS known (topic, day, rows, bytes)
  SELECT topic, day, rows, bytes FROM sekali.noted_payload WHERE partition = asked ORDER BY 1, 2
  ON CONFLICT (topic, day) DO UPDATE SET
    rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes, dropped_at = excluded.dropped_at;
  DELETE FROM sekali.noted_payload WHERE partition = asked;
  DELETE FROM sekali.noted_day WHERE partition = asked;
  -- Every insert and page waits behind this lock, so a try is short. The caller tries again.
  SET LOCAL lock_timeout = 200;
  EXECUTE format('DROP TABLE sekali.%I', part.day);
END
$function$;

CREATE OR REPLACE FUNCTION sekali.drop_payload_rows(asked_day text, asked_topic text, after_stream_id integer, after_seq bigint, rows_max integer)
 RETURNS TABLE(rows bigint, bytes bigint, stream_id integer, seq bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
#variable_conflict use_column
DECLARE
  cutoff timestamptz := sekali.payload_cutoff(asked_topic);
BEGIN
  IF rows_max NOT BETWEEN 1 AND 10000 OR rows_max IS NULL THEN
    RAISE EXCEPTION 'a step drops 1 to 10,000 rows, not %', rows_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  IF cutoff IS NULL OR NOT EXISTS (SELECT FROM sekali.payload_days() WHERE day = asked_day) THEN RETURN; END IF;
  RETURN QUERY EXECUTE format('
    WITH newest AS MATERIALIZED (
      SELECT stream_id, (SELECT max(seq) FROM sekali.event_key key WHERE key.stream_id = stream.stream_id) AS seq FROM sekali.stream
    ), aged AS MATERIALIZED (
      SELECT ctid AS place FROM sekali.%1$I
      WHERE topic = $1 AND (stream_id, seq) > ($3, $4) AND stored_at < $2
      ORDER BY stream_id, seq LIMIT $5
    ), gone AS (
      DELETE FROM sekali.%1$I stored USING aged WHERE stored.ctid = aged.place
      RETURNING stream_id, seq, topic, event_id, published_at, stored_at, pg_column_size(payload) AS bytes
    ), sampled AS (
      INSERT INTO sekali.event_sample (stream_id, seq, topic, event_id, published_at)
      SELECT stream_id, gone.seq, topic, event_id, published_at
      FROM gone LEFT JOIN newest USING (stream_id)
      WHERE gone.seq %% 1000 = 0 OR gone.seq > coalesce(newest.seq, 0) - 8
      ON CONFLICT DO NOTHING
    ), noted AS (
      INSERT INTO sekali.dropped_payload AS known (topic, day, rows, bytes)
      SELECT topic, (stored_at AT TIME ZONE ''UTC'')::date, count(*), sum(bytes) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
      ON CONFLICT (topic, day) DO UPDATE SET
        rows = known.rows + excluded.rows, bytes = known.bytes + excluded.bytes, dropped_at = excluded.dropped_at
    ), place AS (
      SELECT stream_id, seq FROM gone ORDER BY stream_id DESC, seq DESC LIMIT 1
    )
    SELECT (SELECT count(*) FROM gone), (SELECT coalesce(sum(bytes), 0)::bigint FROM gone),
      (SELECT stream_id FROM place), (SELECT seq FROM place)', asked_day)
    USING asked_topic, cutoff, after_stream_id, after_seq, rows_max;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.droppable_up_to(asked integer)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  SELECT least(
    (SELECT seq - 1 FROM sekali.stream_floor WHERE stream_id = asked),
    coalesce(
      (SELECT base_seq FROM sekali.stream WHERE base_stream_id = asked),
      (SELECT seq FROM sekali.horizon WHERE stream_id = asked), 0),
    greatest(
      (SELECT max(seq) FROM sekali.event_key WHERE stream_id = asked),
      (SELECT max(seq) FROM sekali.duplicate WHERE stream_id = asked),
      (SELECT max(seq) FROM sekali.dead_letter WHERE stream_id = asked)) - 8)
  FROM sekali.stream_floor WHERE stream_id = asked
$function$;

CREATE OR REPLACE FUNCTION sekali.forget_ids(keys_max integer)
 RETURNS TABLE(generation integer, step text, ids bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
#variable_conflict use_column
DECLARE
  due record;
  noted sekali.forgotten_generation;
  newest_stream integer := (SELECT max(stream_id) FROM sekali.stream);
  walked record;
  age integer := (SELECT days FROM sekali.retention_age WHERE kind = 'id');
  youngest integer := (SELECT coalesce(max(number), 0) FROM sekali.key_generation);
BEGIN
  IF keys_max NOT BETWEEN 1 AND 100000 OR keys_max IS NULL THEN
    RAISE EXCEPTION 'a step notes 1 to 100,000 keys, not %', keys_max USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365006) THEN RETURN; END IF;
  SELECT number, 'event_key_g' || number AS name INTO due FROM sekali.forgotten_generation
  WHERE number > 0 AND dropped_at IS NULL AND forgotten_at < now() - interval '24 hours' ORDER BY number LIMIT 1;
  IF FOUND THEN
    SET LOCAL lock_timeout = 200;
    EXECUTE format('DROP TABLE sekali.%I', due.name);
    UPDATE sekali.forgotten_generation SET dropped_at = clock_timestamp() WHERE number = due.number;
    RETURN QUERY SELECT due.number, 'dropped', 0::bigint;
    RETURN;
  END IF;
  IF age IS NOT NULL AND coalesce((SELECT opened_at FROM sekali.key_generation WHERE number = youngest), '-infinity')
    < now() - greatest(age / 8.0, 1) * interval '24 hours'
  THEN
    IF sekali.change_key_generation('store', youngest) IS NOT NULL THEN
      RETURN QUERY SELECT youngest, 'closed', 0::bigint;
      RETURN;
    END IF;
  END IF;
  SELECT number, name INTO due FROM sekali.aged_generations() WHERE kept_for IS NULL ORDER BY number LIMIT 1;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT * INTO noted FROM sekali.forgotten_generation WHERE number = due.number AND streams = newest_stream;
  IF NOT FOUND THEN
    DELETE FROM sekali.forgotten_sequence WHERE generation = due.number;
    DELETE FROM sekali.forgotten_id WHERE generation = due.number;
    DELETE FROM sekali.forgotten_generation WHERE number = due.number;
    INSERT INTO sekali.forgotten_generation (number, streams) VALUES (due.number, newest_stream) RETURNING * INTO noted;
  END IF;
  EXECUTE format('
    WITH walked AS MATERIALIZED (
      SELECT stream_id, seq, topic, stored_at FROM ONLY sekali.%I
      WHERE (stream_id, seq) > ($2, $3) ORDER BY stream_id, seq LIMIT $4
    ), marked AS (
      INSERT INTO sekali.forgotten_sequence AS known (generation, stream_id, block, keys)
      SELECT $1, stream_id, seq / 1024, bit_or(set_bit($5, (seq %% 1024)::integer, 1)) FROM walked GROUP BY 2, 3
      ON CONFLICT (stream_id, block, generation) DO UPDATE SET keys = known.keys | excluded.keys
    ), counted AS (
      INSERT INTO sekali.forgotten_id AS known (generation, stream_id, topic, day, ids)
      SELECT $1, stream_id, topic, (stored_at AT TIME ZONE ''UTC'')::date, count(*) FROM walked GROUP BY 2, 3, 4
      ON CONFLICT (stream_id, topic, day, generation) DO UPDATE SET ids = known.ids + excluded.ids
    )
    SELECT stream_id, seq, (SELECT count(*) FROM walked) AS keys FROM walked ORDER BY 1 DESC, 2 DESC LIMIT 1', due.name)
    INTO walked USING due.number, noted.stream_id, noted.seq, keys_max, repeat('0', 1024)::bit(1024);
  IF walked.keys > 0 THEN
    UPDATE sekali.forgotten_generation SET keys = keys + walked.keys, stream_id = walked.stream_id, seq = walked.seq
    WHERE number = due.number;
    RETURN QUERY SELECT due.number, 'noted', walked.keys;
    RETURN;
  END IF;
  SET LOCAL lock_timeout = 200;
  PERFORM pg_advisory_xact_lock(7365004);
  EXECUTE format('LOCK TABLE ONLY sekali.%I IN ACCESS EXCLUSIVE MODE', due.name);
  -- Keys get another stream id only in a transaction that adds a stream.
  IF (SELECT max(stream_id) FROM sekali.stream) <> newest_stream THEN
    RETURN QUERY SELECT due.number, 'noted', 0::bigint;
    RETURN;
  END IF;
  EXECUTE format('TRUNCATE ONLY sekali.%I', due.name);
  DELETE FROM sekali.key_filter WHERE generation = due.number;
  DELETE FROM sekali.key_generation WHERE number = due.number;
  UPDATE sekali.forgotten_generation SET forgotten_at = clock_timestamp() WHERE number = due.number;
  RETURN QUERY SELECT due.number, 'forgotten', noted.keys;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.forget_notes()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  WITH gone AS (
    DELETE FROM sekali.noted_payload
    WHERE partition IN (SELECT partition FROM sekali.noted_payload JOIN changed USING (day)) RETURNING partition
  )
  DELETE FROM sekali.noted_day WHERE partition IN (SELECT partition FROM gone);
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.index_closed_day()
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '2000'
 SET max_parallel_maintenance_workers TO '0'
AS $function$
DECLARE
  day text;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7365005) THEN RETURN NULL; END IF;
  SELECT relname INTO day
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
  WHERE inhparent = 'sekali.event'::regclass
    AND substring(pg_get_expr(relpartbound, part.oid) from 'TO \(''(.+)''\)$')::timestamptz < now() - interval '1 hour'
    AND to_regclass(format('sekali.%I', relname || '_by_source')) IS NULL
  ORDER BY substring(pg_get_expr(relpartbound, part.oid) from 'TO \(''(.+)''\)$')::timestamptz
  LIMIT 1;
  IF day IS NULL THEN RETURN NULL; END IF;
  EXECUTE format('CREATE INDEX %I ON sekali.%I (source, stream_id, seq)', day || '_by_source', day);
  RETURN 'sekali.' || day || '_by_source';
END
$function$;

CREATE OR REPLACE FUNCTION sekali.keep_audit_result(stream text, verdict text, summary text, sequences bigint, in_flight bigint, seconds double precision, host text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  INSERT INTO sekali.audit_result (stream, verdict, summary, sequences, in_flight, seconds, host)
  VALUES (left(stream, 255), verdict, left(summary, 4000), sequences, in_flight, seconds, left(host, 255));
  DELETE FROM sekali.audit_result WHERE audit_id <= (
    SELECT audit_id FROM sekali.audit_result ORDER BY audit_id DESC OFFSET 100 LIMIT 1
  );
$function$;

CREATE OR REPLACE FUNCTION sekali.make_inbox(consumer text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
DECLARE
  made text;
  model text;
BEGIN
  IF consumer IS NULL OR consumer !~ '^[a-z][a-z0-9_]{0,30}$' OR consumer = 'store' THEN
    RAISE EXCEPTION '"%" cannot name an inbox: use 1 to 31 characters a-z 0-9 _, a letter first, not "store"', consumer
      USING ERRCODE = '22023';
  END IF;
  IF consumer IN ('event', 'api', 'broker') THEN
    RAISE EXCEPTION '"%" cannot name an inbox: one of its tables would be another''s', consumer USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365002);
  IF to_regclass(format('sekali.%I', consumer || '_attempt')) IS NULL AND
     (SELECT count(*) FROM pg_class WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'r' AND relname LIKE '%\_attempt') >= 100
  THEN
    RAISE EXCEPTION 'the inbox "%" is not made: there are 100 already', consumer USING ERRCODE = '54000';
  END IF;
  FOR made, model IN
    SELECT consumer || suffix, model_table FROM (VALUES ('_key', 'event_key'), ('_duplicate', 'duplicate'),
      ('_dead_letter', 'dead_letter'), ('_attempt', 'attempt'), ('_counter', 'counter')) AS family (suffix, model_table)
  LOOP
    CONTINUE WHEN to_regclass(format('sekali.%I', made)) IS NOT NULL;
    PERFORM sekali.make_likeness(made, model);
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.make_key_filter(consumer text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  IF consumer IS NULL OR consumer !~ '^[a-z][a-z0-9_]{0,30}$' OR
     to_regclass(format('sekali.%I', consumer || '_key_generation')) IS NULL
  THEN
    RAISE EXCEPTION '"%" has no generations of keys that need filters', consumer USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365004);
  IF to_regclass(format('sekali.%I', consumer || '_key_filter')) IS NULL THEN
    PERFORM sekali.make_likeness(consumer || '_key_filter', 'key_filter');
  END IF;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.make_likeness(made text, model text, parent text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  permitted record;
BEGIN
  EXECUTE format('CREATE TABLE sekali.%I (LIKE sekali.%I INCLUDING ALL)', made, model);
  IF parent IS NOT NULL THEN
    EXECUTE format('ALTER TABLE sekali.%I INHERIT sekali.%I', made, parent);
  END IF;
  -- Who may do what with the model, or with a column of it, may do it with its likeness.
  FOR permitted IN
    SELECT pg_get_userbyid(grantee) AS role, privilege_type AS privilege
    FROM pg_class, aclexplode(relacl)
    WHERE oid = format('sekali.%I', model)::regclass AND grantee <> relowner AND grantee <> 0
    UNION ALL
    SELECT pg_get_userbyid(grantee), format('%s (%I)', privilege_type, attname)
    FROM pg_attribute, aclexplode(attacl)
    WHERE attrelid = format('sekali.%I', model)::regclass AND NOT attisdropped AND grantee <> 0
  LOOP
    EXECUTE format('GRANT %s ON sekali.%I TO %I', permitted.privilege, made, permitted.role);
  END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.make_partition(beginning timestamp with time zone, ending timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '2000'
AS $function$
DECLARE
  partition text := 'event_' || to_char(beginning, 'YYYYMMDD');
BEGIN
  IF beginning IS NULL OR ending IS NULL OR beginning >= ending OR ending > date_trunc('day', beginning) + interval '1 day' OR
     abs(beginning::date - current_date) > 62
  THEN
    RAISE EXCEPTION 'a partition from % to % is not made: it must lie within one day, and that within 62 days of today',
      beginning, ending USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(7365001);
  PERFORM FROM (
    SELECT bounds[1]::timestamptz AS lower, bounds[2]::timestamptz AS upper
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid,
      regexp_match(pg_get_expr(relpartbound, c.oid), 'FROM \(''(.+)''\) TO \(''(.+)''\)') AS bounds
    WHERE inhparent = 'sekali.event'::regclass
  ) present
  WHERE lower < ending AND upper > beginning;
  IF FOUND THEN RETURN NULL; END IF;
  -- A day that was made in another time zone may have the name, and another part of the time.
  IF to_regclass('sekali.' || partition) IS NOT NULL THEN
    partition := partition || '_' || to_char(beginning, 'HH24MI');
  END IF;
  EXECUTE format('CREATE TABLE sekali.%I (LIKE sekali.event INCLUDING ALL)', partition);
  LOCK TABLE sekali.event IN SHARE ROW EXCLUSIVE MODE;
  EXECUTE format(
    'WITH moved AS (DELETE FROM sekali.event_default WHERE stored_at >= $1 AND stored_at < $2 RETURNING *) '
      'INSERT INTO sekali.%I SELECT * FROM moved', partition)
    USING beginning, ending;
  EXECUTE format('ALTER TABLE sekali.event ATTACH PARTITION sekali.%I FOR VALUES FROM (%L) TO (%L)',
    partition, beginning, ending);
  RETURN 'sekali.' || partition;
END
$function$;

CREATE OR REPLACE FUNCTION sekali.payload_cutoff(asked text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  SELECT date_trunc('day', now(), 'UTC') - days * interval '24 hours'
  FROM sekali.retention_rule WHERE asked ~ expression ORDER BY position LIMIT 1
$function$;

CREATE OR REPLACE FUNCTION sekali.payload_days()
 RETURNS TABLE(day text, since timestamp with time zone, until timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  SELECT relname::text, bounds[1]::timestamptz, bounds[2]::timestamptz
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
  LEFT JOIN LATERAL regexp_match(pg_get_expr(relpartbound, part.oid), 'FROM \(''(.+)''\) TO \(''(.+)''\)') AS bounds ON true
  WHERE inhparent = 'sekali.event'::regclass
$function$;

CREATE OR REPLACE FUNCTION sekali.refuse_keys()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  RAISE EXCEPTION 'the generation of keys % is closed', TG_TABLE_NAME
    USING ERRCODE = 'SK001', HINT = 'Start a program of this version, which inserts into the youngest generation.';
END
$function$;

CREATE OR REPLACE FUNCTION sekali.roll_up_histogram(rows_max integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2000'
AS $function$
DECLARE
  step record;
  taken integer;
  total integer := 0;
BEGIN
  IF rows_max IS NULL OR rows_max NOT BETWEEN 1 AND 10000 THEN
    RAISE EXCEPTION 'the histogram is rolled up in steps of 1 to 10,000 rows' USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7365020) THEN RETURN NULL; END IF;
  FOR step IN
    SELECT * FROM (VALUES ('open', 'minute', interval '10 minutes'), ('minute', 'hour', interval '3 days'),
      ('hour', 'day', interval '90 days')) AS ages (younger, older, age)
  LOOP
    -- A row that a batch is changing is left to a later step, so this one waits for no batch.
    WITH chosen AS MATERIALIZED (
      SELECT topic, kind, beginning, shard FROM sekali.histogram
      WHERE kind = step.younger AND beginning < date_trunc(step.older, now() - step.age, 'UTC')
      ORDER BY beginning LIMIT rows_max FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM sekali.histogram bucket USING chosen
      WHERE bucket.topic = chosen.topic AND bucket.kind = chosen.kind AND bucket.beginning = chosen.beginning
        AND bucket.shard = chosen.shard
      RETURNING bucket.*
    ), merged AS (
      INSERT INTO sekali.histogram AS bucket (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
      SELECT topic, step.older, date_trunc(step.older, beginning, 'UTC') AS rounded, 0,
        sum(stored), sum(duplicates), sum(conflicts), sum(dead_letters)
      FROM gone GROUP BY topic, rounded
      ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET
        stored = bucket.stored + excluded.stored,
        duplicates = bucket.duplicates + excluded.duplicates,
        conflicts = bucket.conflicts + excluded.conflicts,
        dead_letters = bucket.dead_letters + excluded.dead_letters
    )
    SELECT count(*) INTO taken FROM gone;
    total := total + taken;
  END LOOP;
  RETURN total;
END
$function$;
