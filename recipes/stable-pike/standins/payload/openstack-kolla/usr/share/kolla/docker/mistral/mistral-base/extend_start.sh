#!/bin/bash
# Stand-in for the start extension that Kolla gives to mistral-base.

# Where this service writes its log.
mkdir -p /var/log/kolla/mistral
[ "$(stat -c %a /var/log/kolla/mistral)" = 755 ] || chmod 755 /var/log/kolla/mistral

# What the single service of this family adds.
. /usr/local/bin/kolla_mistral_extend_start
