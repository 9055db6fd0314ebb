#!/bin/bash
# Stand-in for the start extension that Kolla gives to fluentd.

# Every service of the host writes below this directory and fluentd reads it.
[ "$(stat -c %U:%G /var/log/kolla)" = fluentd:kolla ] || sudo chown fluentd:kolla /var/log/kolla
[ "$(stat -c %a /var/log/kolla)" = 2775 ] || sudo chmod 2775 /var/log/kolla
[ "$(stat -c %U:%G /var/lib/fluentd)" = fluentd:kolla ] || sudo chown fluentd:kolla /var/lib/fluentd
