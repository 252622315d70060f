#!/bin/sh
# Starts a broker with a bound for its messages that its disk can hold. Ends it when it runs but is useless, so that
# Docker starts it again. The arguments of the script are for nats-server.
#
#   free space / 2 (the rest is for Postgres and all else) / brokers on this disk, and what this one uses already
#
# A broker that fills its disk switches JetStream off, or has a stream that takes nothing more, until it is restarted.
# In both cases it loses messages that were acknowledged. With this bound it refuses publishers in time.
#
# nats-server 2.14.0 then also deletes its knowledge of its streams. When all brokers did, each removes its streams as
# orphans. So a copy of that log is kept, and restored before a start:
#
#   $NATS_STORE_DIR/jetstream/<system account>/_js_/_meta_   the log
#   $NATS_STORE_DIR/meta-layer/<system account>              the copy
#
# "broker.sh healthy" says by its exit code whether the broker in this container works.
set -eu

MONITOR_HOST=127.0.0.1
MONITOR_PORT="${NATS_MONITOR_PORT:-8222}"
CHECK_EVERY_SECONDS="${SEKALI_BROKER_CHECK_EVERY_SECONDS:-5}"
LOOKS=3
# With less, the disk would be full again at once.
RESTART_KIB_MIN=32768

free_kib() { df -Pk "$NATS_STORE_DIR" | awk 'NR == 2 { print $4 }'; }

# The bound never shrinks. A broker whose bound is below the reservations of its streams takes nothing at all.
file_store_bytes() {
  used_kib=$(du -sk "$NATS_STORE_DIR" | cut -f 1)
  former=$(cat "$NATS_STORE_DIR/file-store-bytes" 2>/dev/null || echo 0)
  awk -v free="$(free_kib)" -v used="$used_kib" -v former="$former" \
    -v brokers="${SEKALI_BROKERS_PER_DISK:-3}" -v most="${SEKALI_BROKER_BYTES_MAX:-20000000000}" 'BEGIN {
      bytes = (free / 2 / brokers + used) * 1024
      if (bytes > most) bytes = most
      if (bytes < former) bytes = former
      printf "%.0f\n", bytes
    }'
}

# The head of an answer and its body. The official image has nc, and its wget does not show the body of an error.
# Another image in NATS_IMAGE may have only GNU wget.
ask() {
  if command -v nc >/dev/null; then
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" | nc -w 3 "$MONITOR_HOST" "$MONITOR_PORT" 2>/dev/null
  else
    wget -q -S -T 3 -t 1 --content-on-error -O - "http://$MONITOR_HOST:$MONITOR_PORT$1" 2>&1
  fi
}

# Says what is wrong. A broker that does not answer, or lags behind the others, is not reported.
fault() {
  if ask '/healthz?js-enabled-only=true' | head -n 1 | grep -q ' 503 '; then
    echo 'JetStream is off'
  elif ask /healthz | grep -qi 'write error'; then
    echo 'a stream failed to write'
  fi
}

# The log is copied when two inspections agree and differ from the copy. A log that is being written waits for the next
# round.
keep_meta_layer() {
  for log in "$NATS_STORE_DIR"/jetstream/*/_js_/_meta_; do
    [ -d "$log" ] || continue
    account=$(basename "$(dirname "$(dirname "$log")")")
    copy="$NATS_STORE_DIR/meta-layer/$account"
    state=$(cd "$log" && find . -type f -exec cksum {} + 2>/dev/null | sort)
    if [ "$state" = "$meta_seen" ] && [ "$state" != "$meta_copied" ]; then
      # A full disk leaves the copy as it is.
      rm -rf "$copy.unfinished"
      if mkdir -p "$NATS_STORE_DIR/meta-layer" && cp -R "$log" "$copy.unfinished" 2>/dev/null; then
        rm -rf "$copy" && mv "$copy.unfinished" "$copy" && meta_copied=$state
      fi
    fi
    meta_seen=$state
  done
}

# The log is restored only where files of a stream exist; otherwise it would name streams that do not. A failure ends
# the script, because a broker without the log removes its streams.
restore_meta_layer() {
  set -- "$NATS_STORE_DIR"/jetstream/*/streams/*
  [ -d "$1" ] || return 0
  for copy in "$NATS_STORE_DIR"/meta-layer/*; do
    [ -d "$copy" ] || continue
    case "$copy" in *.unfinished) continue ;; esac
    log="$NATS_STORE_DIR/jetstream/$(basename "$copy")/_js_/_meta_"
    [ ! -d "$log" ] || continue
    rm -rf "$log.unfinished"
    mkdir -p "$(dirname "$log")"
    cp -R "$copy" "$log.unfinished"
    mv "$log.unfinished" "$log"
    echo "broker.sh: this broker had forgotten its streams, as after a full disk: it has them again" >&2
  done
}

# JetStream is also off while a store is read. So only a broker whose JetStream was on before is ended.
watch() {
  broker=$1
  was_on=no
  faulty=0
  meta_seen=
  meta_copied=
  while sleep "$CHECK_EVERY_SECONDS"; do
    kill -0 "$broker" 2>/dev/null || return 0
    what=$(fault)
    if [ -z "$what" ]; then
      if ask '/healthz?js-enabled-only=true' | head -n 1 | grep -q ' 200 '; then
        was_on=yes
        keep_meta_layer
      fi
      faulty=0
      continue
    fi
    # A stream that failed to write proves that JetStream was on.
    case "$what" in *write*) was_on=yes ;; esac
    faulty=$((faulty + 1))
    if [ "$was_on" = no ] || [ "$faulty" -lt "$LOOKS" ]; then continue; fi
    if [ "$(free_kib)" -lt "$RESTART_KIB_MIN" ]; then
      echo "broker.sh: $what, and the disk of $NATS_STORE_DIR is full: make room" >&2
      continue
    fi
    echo "broker.sh: $what: ending the broker, to be started again" >&2
    kill -TERM "$broker"
    return 0
  done
}

# The health check: no fault, and JetStream is on.
if [ "${1:-}" = healthy ]; then
  [ -z "$(fault)" ] && ask '/healthz?js-enabled-only=true' | head -n 1 | grep -q ' 200 '
  exit
fi

mkdir -p "$NATS_STORE_DIR"
restore_meta_layer
NATS_FILE_STORE_BYTES=$(file_store_bytes)
export NATS_FILE_STORE_BYTES
echo "$NATS_FILE_STORE_BYTES" >"$NATS_STORE_DIR/file-store-bytes"
echo "broker.sh: this broker may keep $NATS_FILE_STORE_BYTES bytes" >&2
watch "$$" &
exec nats-server "$@"
