#!/bin/bash
# base: compiled from recipes/tiny/images/base.yaml
# by `buildsys plan tiny`: edit the recipe, not this file.
IMAGE=base
RECIPE=recipes/tiny/images/base.yaml:1:8
FROM=''
READS=()

build() {
    at recipes/tiny/images/base.yaml:4:5 packages 1
    words=(
        filesystem # recipes/tiny/images/base.yaml:3:12
    )
    dnf_bootstrap "${words[@]}"
    at recipes/tiny/images/base.yaml:5:5 files
    inside <<'END'
at recipes/tiny/images/base.yaml:5:5
account kolla 42400 42400 /home/kolla /usr/sbin/nologin
account nova 42436 42436 /var/lib/nova /usr/sbin/nologin kolla
END
    at recipes/tiny/images/base.yaml:1:8 configuration
    configure \
        --env LANG=C.UTF-8
}

. "${0%/*}/../plan.env"
. "${0%/*}/../lib/step.sh"
