#!/bin/sh
# Replaces the stores by copies that deploy/backup.sh made: deploy/restore.sh FOLDER [--brokers]
#
# Without --brokers, the brokers keep running. Everything that was stored since the backup is delivered again, and
# producers are served meanwhile. With --brokers, the system returns to its state at the backup, and what was accepted
# since is lost. Run it in the folder of docker-compose.yml.
set -eu

folder=${1:?"usage: deploy/restore.sh FOLDER [--brokers]"}
services=postgres
[ "${2:-}" != --brokers ] || services='postgres nats-1 nats-2 nats-3'
# Nothing is changed before all files are known to be there and readable.
for service in $services; do tar -tf "$folder/$service.tar" >/dev/null; done

# Arguments: a stopped service, and where its volume is mounted.
replace() {
  container=$(docker compose ps --all --quiet "$1")
  image=$(docker inspect --format '{{.Config.Image}}' "$container")
  docker run --rm --interactive --user 0 --network none --no-healthcheck --volumes-from "$container" --entrypoint sh "$image" \
    -c 'find "$1" -mindepth 1 -delete && tar -C "$1" -xpf -' sh "$2" <"$folder/$1.tar"
}

# On a machine where the system never ran, this creates its containers and volumes.
docker compose up --no-start --no-recreate nats-1 nats-2 nats-3 postgres
# shellcheck disable=SC2086 # several names
docker compose stop $services
if [ "$services" != postgres ]; then
  for broker in nats-1 nats-2 nats-3; do replace "$broker" /data; done
fi
docker compose up --detach --no-deps --wait nats-1 nats-2 nats-3
# This runs before the database is restored: see "sekali rewind --help".
docker compose run --rm --no-TTY --no-deps rewind
# The accounts of the demo, where they run.
accounts=$(docker compose --profile demo ps --all --quiet accounts)
if [ -n "$accounts" ]; then
  docker compose run --rm --no-TTY --no-deps rewind node dist/apps/cli/src/main.js rewind --consumer balances
fi
replace postgres /var/lib/postgresql
docker compose up --detach --no-deps --wait postgres
# The backup may have other passwords than the secrets have now.
docker compose run --rm --no-TTY --no-deps roles
docker compose run --rm --no-TTY --no-deps setup
if [ -n "$accounts" ]; then docker compose run --rm --no-TTY --no-deps accounts-setup; fi
workers=$(docker compose ps --all --quiet worker | wc -l)
[ "$workers" -gt 0 ] || workers=2
# A gateway that was unhealthy meanwhile keeps that state until its next check, some seconds later.
tries=12
until docker compose up --detach --no-recreate --wait --scale worker="$workers"; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || exit 1
  sleep 5
done
echo 'Restored. Now prove it: docker compose run --rm audit'
