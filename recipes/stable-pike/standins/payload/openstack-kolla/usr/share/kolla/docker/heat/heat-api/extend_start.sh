#!/bin/bash
# Stand-in for the start extension that Kolla gives to heat-api.

# Prepare the database and the domain of Heat's own users, then stop.
if [ -n "${KOLLA_BOOTSTRAP+set}" ]; then
    heat-manage db_sync
    if ! openstack domain list | grep -q heat; then
        openstack domain create heat_user_domain
        openstack user create --domain heat_user_domain heat_domain_admin --password "$HEAT_DOMAIN_ADMIN_PASSWORD"
        openstack role add --domain heat_user_domain --user-domain heat_user_domain --user heat_domain_admin admin
    fi
    exit 0
fi
