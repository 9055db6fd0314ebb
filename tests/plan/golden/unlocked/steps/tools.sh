#!/bin/bash
# tools: compiled from recipes/tiny/images/tools.yaml
# by `buildsys plan tiny`: edit the recipe, not this file.
IMAGE=tools
RECIPE=recipes/tiny/images/tools.yaml:1:8
FROM=base
READS=(base)
GIVES=(/opt/tool)

build() {
    at recipes/tiny/images/tools.yaml:4:5 files
    inside <<'END'
at recipes/tiny/images/tools.yaml:4:5
file 755 /opt/tool
END
}

. "${0%/*}/../plan.env"
. "${0%/*}/../lib/step.sh"
