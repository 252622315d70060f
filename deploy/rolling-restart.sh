#!/bin/sh
# Makes every container anew, one service after the other, from the present images, files and secrets, while producers go
# on: for a restart, a new version or a new certificate. Run it in the folder of docker-compose.yml. It stops at the first
# service that does not come back, and can be run again.
set -eu

WAIT_SECONDS=180

# Healthy says that a broker answers; this, that it has caught up with all it holds. Before that, stopping the next one
# would leave no two that have the newest messages.
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

anew() {
  docker compose up --detach --no-deps --force-recreate --wait --wait-timeout "$WAIT_SECONDS" "$@"
}

for broker in nats-1 nats-2 nats-3; do caught_up "$broker"; done
for broker in nats-1 nats-2 nats-3; do
  anew "$broker"
  caught_up "$broker"
done
# Postgres only if its image or settings are others now: gateways publish meanwhile, and what they publish waits.
docker compose up --detach --no-deps --wait --wait-timeout "$WAIT_SECONDS" postgres
docker compose run --rm --no-TTY --no-deps roles
# Migrations work beside the programs of the version before.
docker compose run --rm --no-TTY --no-deps setup
# As many as there are now, which may be more than docker-compose.yml says. What waits for them stays in the stream.
anew --scale worker="$(docker compose ps --quiet worker | wc -l)" worker
for gateway in gateway-1 gateway-2; do anew "$gateway"; done
