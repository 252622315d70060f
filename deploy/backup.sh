#!/bin/sh
# Copies the stores of the running system to a folder: deploy/backup.sh FOLDER [--brokers]
#
# Postgres is stopped for its copy. Producers are still served, and their events wait in the stream. With --brokers, the
# brokers are stopped after it, too, and no producer is served meanwhile. The order matters: after a restore, messages
# that only the brokers have are delivered again, but rows without messages cannot be repaired. Run it in the folder of
# docker-compose.yml.
set -eu

folder=${1:?"usage: deploy/backup.sh FOLDER [--brokers]"}
umask 077
mkdir -p "$folder"

# Arguments: a stopped service, and where its volume is mounted. A copy gets its name only when it is complete.
copy() {
  container=$(docker compose ps --all --quiet "$1")
  image=$(docker inspect --format '{{.Config.Image}}' "$container")
  docker run --rm --user 0 --network none --no-healthcheck --volumes-from "$container:ro" --entrypoint tar "$image" \
    -C "$2" -cf - . >"$folder/$1.tar.unfinished"
  mv "$folder/$1.tar.unfinished" "$folder/$1.tar"
  echo "$folder/$1.tar"
}

# Every stopped service is started again, whatever happens.
trap 'docker compose start postgres' EXIT
docker compose stop postgres
copy postgres /var/lib/postgresql
docker compose start postgres
trap - EXIT
[ "${2:-}" = --brokers ] || exit 0

trap 'docker compose start nats-1 nats-2 nats-3' EXIT
docker compose stop nats-1 nats-2 nats-3
for broker in nats-1 nats-2 nats-3; do copy "$broker" /data; done
