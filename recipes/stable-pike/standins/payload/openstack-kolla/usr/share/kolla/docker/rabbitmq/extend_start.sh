#!/bin/bash
# Stand-in for the start extension that Kolla gives to rabbitmq.

# Where this service writes its log.
: "${RABBITMQ_LOG_BASE:=/var/log/kolla/rabbitmq}"
mkdir -p "$RABBITMQ_LOG_BASE"
[ "$(stat -c %a "$RABBITMQ_LOG_BASE")" = 755 ] || chmod 755 "$RABBITMQ_LOG_BASE"

# Members of a cluster know each other by this secret. Write it, then stop.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    cookie=/var/lib/rabbitmq/.erlang.cookie
    rm -f $cookie
    printf '%s\n' "$RABBITMQ_CLUSTER_COOKIE" > $cookie
    chmod 400 $cookie
    exit 0
fi
