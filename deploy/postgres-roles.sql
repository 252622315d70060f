-- Run once, as superuser, when the official image makes the database: the programs own their database and nothing else.
\set password `cat /run/secrets/postgres-password`
CREATE ROLE sekali LOGIN PASSWORD :'password';
ALTER DATABASE sekali OWNER TO sekali;
REVOKE CONNECT, TEMPORARY ON DATABASE sekali FROM PUBLIC;
