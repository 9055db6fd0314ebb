#!/bin/bash
# Stand-in for Kolla's first set-up of keystone.
# Usage: kolla_keystone_bootstrap USER PASSWORD PROJECT ROLE ADMIN_URL INTERNAL_URL PUBLIC_URL REGION

if [ $# -ne 8 ]; then
    echo "kolla_keystone_bootstrap: takes 8 arguments, has $#" >&2
    exit 1
fi

# In a cluster orchestrated elsewhere the fernet keys come from there.
kolla_kubernetes() {
    [ -d /etc/keystone/fernet-keys ] || keystone-manage fernet_setup
}

if [ -n "${KOLLA_KUBERNETES+set}" ]; then
    kolla_kubernetes
fi
keystone-manage bootstrap --bootstrap-username "$1" --bootstrap-password "$2" --bootstrap-project-name "$3" \
    --bootstrap-role-name "$4" --bootstrap-admin-url "$5" --bootstrap-internal-url "$6" \
    --bootstrap-public-url "$7" --bootstrap-region-id "$8"
