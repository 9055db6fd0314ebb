#!/bin/bash
# every: compiled from recipes/tiny/images/every.yaml
# by `buildsys plan tiny`: edit the recipe, not this file.
IMAGE=every
RECIPE=recipes/tiny/images/every.yaml:1:8
FROM=base
READS=(base tools)
TAKES=('tools /opt/tool')

build() {
    at recipes/tiny/images/every.yaml:16:5 sources
    from_image tools
    at recipes/tiny/images/every.yaml:17:5 sources
    from_payload tree
    at recipes/tiny/images/every.yaml:4:5 files
    inside <<'END'
at recipes/tiny/images/every.yaml:4:5
repository /etc/yum.repos.d/a.repo a name 'a b' enabled 1
at recipes/tiny/images/every.yaml:5:5
directory 2775 kolla:kolla /var/log/kolla '/srv/a b'
END
    at recipes/tiny/images/every.yaml:6:5 packages 2
    words=(
        tree      # recipes/tiny/images/every.yaml:9:12
        'it'\''s' # recipes/tiny/images/every.yaml:10:12
    )
    dnf_install "${words[@]}"
    at recipes/tiny/images/every.yaml:7:5 packages
    dnf_update
    at recipes/tiny/images/every.yaml:8:5 files
    inside <<'END'
at recipes/tiny/images/every.yaml:8:5
disable_repository a
at recipes/tiny/images/every.yaml:9:5
optional disable_repository b
END
    at recipes/tiny/images/every.yaml:10:5 packages
    dnf_import_key /etc/pki/key
    at recipes/tiny/images/every.yaml:11:5 packages
    dnf_remove tree
    at recipes/tiny/images/every.yaml:12:5 packages
    dnf_remove --optional none
    at recipes/tiny/images/every.yaml:13:5 files
    inside <<'END'
at recipes/tiny/images/every.yaml:13:5
gems 1024 '--no-rdoc --no-ri' fluentd-0.12.2.gem
at recipes/tiny/images/every.yaml:14:5
context 644 '' 5f60ce745862286ddb9242e0326e81042387232214166c04349d6e49a0b758f3 /etc/one.conf
at recipes/tiny/images/every.yaml:15:5
context 640 nova 6ceb57d94397add4fc07f0fa3fb91ed3e0992c4c86e47dde9ea31fc177fb58c8 /opt/tree/a
context 640 nova 2b6844a065e4de891b9d6b307b50acc0cda89639f5a4a388f348792b638f91f4 /opt/tree/deep/b
at recipes/tiny/images/every.yaml:16:5
other '' root tools /opt/tool /opt/
at recipes/tiny/images/every.yaml:17:5
payload 755 '' tree /usr/share/tree/x /opt/x
at recipes/tiny/images/every.yaml:18:5
optional duplicate '/etc/*.conf' /opt/conf/ preserve
at recipes/tiny/images/every.yaml:19:5
mode 750 -R /etc/sudoers.d
at recipes/tiny/images/every.yaml:20:5
optional owner nova: /var/lib/nova '/srv/*'
at recipes/tiny/images/every.yaml:21:5
link /usr/share/healthcheck /openstack/healthcheck
at recipes/tiny/images/every.yaml:22:5
link y /bin/x force
at recipes/tiny/images/every.yaml:23:5
file '' /made '/made too'
at recipes/tiny/images/every.yaml:24:5
remove '/etc/httpd/conf.d/*.conf'
at recipes/tiny/images/every.yaml:25:5
optional remove -R /tmp/kolla
at recipes/tiny/images/every.yaml:26:5
move /a /b
at recipes/tiny/images/every.yaml:27:5
comment '^Listen 80$' /etc/httpd.conf
at recipes/tiny/images/every.yaml:28:5
optional replace '^user=(.*)' 'user=it'\''s \1' /etc/my.cnf
at recipes/tiny/images/every.yaml:29:5
append /etc/sudoers one '' 'Defaults  x,	y' 'two
lines' END
at recipes/tiny/images/every.yaml:30:5
append_file /tmp/kolla_bashrc /etc/bashrc
at recipes/tiny/images/every.yaml:31:5
require 'release 7' /etc/system-release
at recipes/tiny/images/every.yaml:32:5
pooled 755 241fc234ac0c3cd1d85cd766800a72dc79a46f62fc29e99b1b3e2a41bfeece2b /usr/local/bin/dumb-init
at recipes/tiny/images/every.yaml:33:5
change_account nova /home/nova '' kolla
END
    at recipes/tiny/images/every.yaml:34:5 run
    run /bin/sh -ec 'a  '\''b'\''
    cat <<'\''END'\''
c
END
'
    at recipes/tiny/images/every.yaml:35:5 run
    run --open-files 4096 mkpasswd '*'
    at recipes/tiny/images/every.yaml:1:8 configuration
    known_user nova
    at recipes/tiny/images/every.yaml:1:8 configuration
    configure \
        --user nova \
        --entrypoint '["dumb-init", "--"]' \
        --cmd '["kolla_start", "a b"]' \
        --workingdir /srv \
        --stop-signal SIGTERM \
        --healthcheck 'CMD-SHELL '\''/openstack/healthcheck '\''\'\'''\''a  b'\''\'\'''\'''\''' \
        --healthcheck-interval 30s \
        --healthcheck-timeout 5s \
        --healthcheck-start-period 0.5s \
        --healthcheck-retries 3 \
        --env A= \
        --env 'PS1=$' \
        --env 'PS1=${PS1}(id -un) "x"' \
        --label comma=a,b=c \
        --label name=every \
        --annotation org.example.x=y \
        --volume /var/lib/x \
        --port 8774/tcp
}

. "${0%/*}/../plan.env"
. "${0%/*}/../lib/step.sh"
