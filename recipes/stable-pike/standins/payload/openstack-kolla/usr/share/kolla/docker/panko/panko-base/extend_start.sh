#!/bin/bash
# Stand-in for the start extension that Kolla gives to panko-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/panko
[ "$(stat -c %U:%G /var/log/kolla/panko)" = panko:kolla ] || chown panko:kolla /var/log/kolla/panko
[ "$(stat -c %a /var/log/kolla/panko)" = 755 ] || chmod 755 /var/log/kolla/panko

# What the single service of this family adds.
. /usr/local/bin/kolla_panko_extend_start
