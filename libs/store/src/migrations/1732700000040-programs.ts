/**
 * Which gateways and workers run, and what audits found.
 *
 * Both tables are new and empty, so no program of the version before meets them. An audit writes its result with a
 * function, because its role only reads.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const UP = `
CREATE TABLE sekali.program (
  program_id uuid NOT NULL,
  kind text NOT NULL,
  host text NOT NULL,
  process integer NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  broker text,
  state text NOT NULL,
  held integer NOT NULL,
  messages bigint NOT NULL,
  per_second double precision NOT NULL,
  retention_at timestamptz,
  CONSTRAINT program_pkey PRIMARY KEY (program_id),
  CONSTRAINT program_kind CHECK (kind IN ('gateway', 'worker')),
  CONSTRAINT program_text CHECK (octet_length(host) <= 255 AND octet_length(broker) <= 255 AND octet_length(state) <= 64)
) WITH (fillfactor = 50);
COMMENT ON TABLE sekali.program IS 'Gateways and workers that run; one that was killed stays for an hour';
COMMENT ON COLUMN sekali.program.process IS 'Its number on its host';
COMMENT ON COLUMN sekali.program.seen_at IS 'When it last wrote the row, which it does every ten seconds';
COMMENT ON COLUMN sekali.program.broker IS 'The broker that it is connected to; null where there is none';
COMMENT ON COLUMN sekali.program.held IS 'Messages that it is about to publish or to settle';
COMMENT ON COLUMN sekali.program.messages IS 'What a gateway had acknowledged, or a worker decided, since it started';
COMMENT ON COLUMN sekali.program.per_second IS 'The same, since the row was written before';
COMMENT ON COLUMN sekali.program.retention_at IS 'When a worker last dropped all that was older than its rule';
CREATE TABLE sekali.audit_result (
  audit_id bigint GENERATED ALWAYS AS IDENTITY,
  stream text NOT NULL,
  verdict text NOT NULL,
  summary text NOT NULL,
  sequences bigint NOT NULL,
  in_flight bigint NOT NULL,
  seconds double precision NOT NULL,
  host text NOT NULL,
  role text NOT NULL DEFAULT session_user,
  ended_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT audit_result_pkey PRIMARY KEY (audit_id),
  CONSTRAINT audit_result_verdict CHECK (verdict IN ('whole', 'violated', 'unknown'))
);
COMMENT ON TABLE sekali.audit_result IS 'What the last hundred audits found';
COMMENT ON COLUMN sekali.audit_result.summary IS 'The verdict in one sentence';
COMMENT ON COLUMN sekali.audit_result.host IS 'Where it ran';
COMMENT ON COLUMN sekali.audit_result.role IS 'As whom it was connected';
CREATE FUNCTION sekali.keep_audit_result(
  stream text, verdict text, summary text, sequences bigint, in_flight bigint, seconds double precision, host text
) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
  INSERT INTO sekali.audit_result (stream, verdict, summary, sequences, in_flight, seconds, host)
  VALUES (left(stream, 255), verdict, left(summary, 4000), sequences, in_flight, seconds, left(host, 255));
  DELETE FROM sekali.audit_result WHERE audit_id <= (
    SELECT audit_id FROM sekali.audit_result ORDER BY audit_id DESC OFFSET 100 LIMIT 1
  );
$body$;
REVOKE ALL ON FUNCTION sekali.keep_audit_result FROM PUBLIC;
`;

/** Creates `sekali.program` and `sekali.audit_result`. */
export class Programs1732700000040 implements MigrationInterface {
  readonly name = 'Programs1732700000040';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** Migrations only go forward. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward; restore a backup to go back'));
  }
}
