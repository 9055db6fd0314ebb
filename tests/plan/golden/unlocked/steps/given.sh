#!/bin/bash
# given: compiled from recipes/tiny/images/given.yaml
# by `buildsys plan tiny`: edit the recipe, not this file.
IMAGE=given
RECIPE=recipes/tiny/images/given.yaml:1:8
FROM=base
READS=(example.org/a base tools)
OUTSIDE=(example.org/a)
CONTAINERFILE=recipes/tiny/containerfiles/given/Containerfile
UNLOCKED=1

build() {
    at recipes/tiny/images/given.yaml:4:5 context
    with_file 644 fd55268f2c3063f91efd294522cdddcf5adc41a2cbfe7d183513ede80779194b Containerfile
    with_file 755 a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf 'it'\''s a program'
    with_link 'it'\''s a program' link
    with_folder empty
    with_image read/base base
    with_image read/localhost/tests/t-tools:1 tools
    with_image read/example.org/a example.org/a
    at recipes/tiny/containerfiles/given/Containerfile:1:1 containerfile
    containerfile fe44e394783f359dcea35a3fe9adace93b1e388d43b52a0b3b940b6cc4579014 online dated \
        --build-arg 'VERSION=1 2' \
        --label a=b \
        --annotation c=d
}

. "${0%/*}/../plan.env"
. "${0%/*}/../lib/step.sh"
