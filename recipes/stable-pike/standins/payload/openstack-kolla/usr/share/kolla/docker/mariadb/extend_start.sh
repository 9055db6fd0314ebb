#!/bin/bash
# Stand-in for the start extension that Kolla gives to mariadb.

# Starts the server once, without other members, and gives its root account a password.
bootstrap_db() {
    mysqld_safe --wsrep-new-cluster --skip-networking &
    kolla_security_reset
    mysqladmin shutdown
}

# Where this service writes its log.
mkdir -p /var/log/kolla/mariadb
[ "$(stat -c %a /var/log/kolla/mariadb)" = 755 ] || chmod 755 /var/log/kolla/mariadb

# Prepare the database, then stop: this start was asked to bootstrap only.
if [ -n "${KOLLA_BOOTSTRAP+set}" ] && [ ! -e /var/lib/mysql/mysql ]; then
    mysql_install_db
    bootstrap_db
    exit 0
fi

if [ -n "${BOOTSTRAP_ARGS+set}" ]; then
    # shellcheck disable=SC2034 # kolla_start reads it
    ARGS=$BOOTSTRAP_ARGS
fi
