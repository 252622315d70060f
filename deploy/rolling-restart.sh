#!/bin/sh
# Recreates every container from the present images, files and secrets, one service after the other, while producers
# continue. Use it for a restart, a new version or a new certificate. Run it in the folder of docker-compose.yml. It
# stops at the first service that does not come back, and can be run again.
set -eu

WAIT_SECONDS=180

# A healthy broker answers. This check says that it has also caught up with its streams. Before that, stopping the next
# one would leave fewer than two brokers with the newest messages.
caught_up() {
  seconds=0
  until docker compose exec -T "$1" wget -q -O /dev/null http://127.0.0.1:8222/healthz 2>/dev/null; do
    seconds=$((seconds + 1))
    if [ "$seconds" -gt "$WAIT_SECONDS" ]; then
      echo "$1 has not caught up with the other brokers after $WAIT_SECONDS s: see docker compose logs $1" >&2
      exit 1
    fi
    sleep 1
  done
}

recreate() {
  docker compose up --detach --no-deps --force-recreate --wait --wait-timeout "$WAIT_SECONDS" "$@"
}

for broker in nats-1 nats-2 nats-3; do caught_up "$broker"; done
for broker in nats-1 nats-2 nats-3; do
  recreate "$broker"
  caught_up "$broker"
done
# Postgres is recreated only if its image or settings changed. Gateways publish meanwhile, and their events wait in the
# stream.
docker compose up --detach --no-deps --wait --wait-timeout "$WAIT_SECONDS" postgres
docker compose run --rm --no-TTY --no-deps roles
# Migrations work while programs of the previous version run.
docker compose run --rm --no-TTY --no-deps setup
# The number of workers stays, even when docker-compose.yml says less. Their events wait in the stream.
recreate --scale worker="$(docker compose ps --quiet worker | wc -l)" worker
for gateway in gateway-1 gateway-2; do recreate "$gateway"; done
# The accounts of the demo, where they run.
if [ -n "$(docker compose --profile demo ps --quiet accounts)" ]; then
  docker compose run --rm --no-TTY --no-deps accounts-setup
  recreate accounts
fi
