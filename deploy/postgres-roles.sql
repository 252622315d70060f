-- Creates the missing roles of the programs, and gives each the current password of its secret. The service "roles"
-- runs it as superuser whenever the system comes up. Setup decides what each role may do (libs/store/src/grants.ts). The
-- step `accounts-setup` of the demo decides it for sekali_accounts (apps/accounts/src/preparation.ts).
\set setup `cat /run/secrets/postgres-password`
\set gateway `cat /run/secrets/postgres-gateway-password`
\set worker `cat /run/secrets/postgres-worker-password`
\set reader `cat /run/secrets/postgres-reader-password`
\set recovery `cat /run/secrets/postgres-recovery-password`
\set accounts `cat /run/secrets/postgres-accounts-password`

BEGIN;
SET LOCAL password_encryption = 'scram-sha-256';
-- A failing statement is logged, and these contain passwords.
SET LOCAL log_min_error_statement = 'panic';

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['sekali', 'sekali_gateway', 'sekali_worker', 'sekali_reader', 'sekali_recovery', 'sekali_accounts'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I', role);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
  END LOOP;
END
$$;
ALTER ROLE sekali PASSWORD :'setup';
ALTER ROLE sekali_gateway PASSWORD :'gateway';
ALTER ROLE sekali_worker PASSWORD :'worker';
ALTER ROLE sekali_reader PASSWORD :'reader';
ALTER ROLE sekali_recovery PASSWORD :'recovery';
ALTER ROLE sekali_accounts PASSWORD :'accounts';

-- Setup owns the database and everything that it creates there. The other roles may connect, and get their rights from
-- setup.
ALTER DATABASE sekali OWNER TO sekali;
REVOKE ALL ON DATABASE sekali FROM PUBLIC;
GRANT CONNECT ON DATABASE sekali TO sekali_gateway, sekali_worker, sekali_reader, sekali_recovery, sekali_accounts;
-- A handler's own tables are found without their schema, as they were when the one role had the schema's name.
ALTER ROLE sekali_worker IN DATABASE sekali SET search_path = sekali, public;
-- People type statements that take longer than they think. Programs set bounds of their own.
ALTER ROLE sekali_reader SET statement_timeout = '60s';
ALTER ROLE sekali_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE sekali_reader SET default_transaction_read_only = on;
COMMIT;
