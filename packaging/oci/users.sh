#!/bin/sh
# users.sh ROOT - the users of systemd/sysusers.d/netevd.conf with fixed ids in ROOT/etc.
#
# Fixed, so that what is in a volume has the same owners in each image. root is in the group netevd, so
# that a program without CAP_DAC_OVERRIDE may connect to the API's socket.
set -eu
etc=${1?usage: users.sh ROOT}/etc
mkdir -p "$etc"
[ -e "$etc/passwd" ] || echo 'root:x:0:0:root:/:/bin/sh' >"$etc/passwd"
[ -e "$etc/group" ] || echo 'root:x:0:' >"$etc/group"
id=64001
for user in netevd netevd-priv netevd-scripts; do
    member=
    [ "$user" != netevd ] || member=root
    echo "$user:x:$id:$id:$user:/:/usr/sbin/nologin" >>"$etc/passwd"
    echo "$user:x:$id:$member" >>"$etc/group"
    [ ! -e "$etc/shadow" ] || echo "$user:!*:::::::" >>"$etc/shadow"
    [ ! -e "$etc/gshadow" ] || echo "$user:!*::$member" >>"$etc/gshadow"
    id=$((id + 1))
done
