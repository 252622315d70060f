#!/bin/sh
# Copies the stores of the running system to a folder: deploy/backup.sh FOLDER [--brokers]
#
# Postgres is stopped for its copy: producers are served, the events wait in the stream. With --brokers the brokers are
# stopped, too, after it, and nobody is served meanwhile. The order matters: what the brokers have beyond the copy of
# Postgres is delivered again after a restore; the reverse cannot be made good.
# Run it in the folder of docker-compose.yml.
set -eu

folder=${1:?"usage: deploy/backup.sh FOLDER [--brokers]"}
umask 077
mkdir -p "$folder"

# Arguments: a stopped service, where its volume is mounted. A copy gets its name only when it is complete.
copy() {
  container=$(docker compose ps --all --quiet "$1")
  image=$(docker inspect --format '{{.Config.Image}}' "$container")
  docker run --rm --user 0 --network none --no-healthcheck --volumes-from "$container:ro" --entrypoint tar "$image" \
    -C "$2" -cf - . >"$folder/$1.tar.unfinished"
  mv "$folder/$1.tar.unfinished" "$folder/$1.tar"
  echo "$folder/$1.tar"
}

# Whatever happens, what was stopped is started.
trap 'docker compose start postgres' EXIT
docker compose stop postgres
copy postgres /var/lib/postgresql
docker compose start postgres
trap - EXIT
[ "${2:-}" = --brokers ] || exit 0

trap 'docker compose start nats-1 nats-2 nats-3' EXIT
docker compose stop nats-1 nats-2 nats-3
for broker in nats-1 nats-2 nats-3; do copy "$broker" /data; done
