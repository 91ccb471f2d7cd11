#!/bin/sh
# dockerfile-check.sh BASE.tar - builds packaging/oci/Dockerfile with buildah from the programs in BUILT on
# a local Debian (debian.sh), and asks a container of it for its health. Needs root; no registry is asked.
set -eu
cd "$(dirname "$0")/../.."
base=${1:?usage: dockerfile-check.sh BASE.tar}
work=target/dockerfile-check
name=netevd-dockerfile-$$
run() { packaging/oci/containers.sh target/containers "$@"; }
end() {
    run podman rm --force --time 0 "$name" >/dev/null 2>&1 || true
    rm -rf "$work"
    # podman keeps its storage mounted, and buildah the container of its last step.
    awk -v below="$PWD/target/containers/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r place; do umount "$place" || true; done
}
trap end EXIT
trap 'exit 1' INT TERM

run podman import --quiet "$base" localhost/debian:bookworm-slim >/dev/null
# The sources as a user has them, and the programs.
rm -rf "$work"
mkdir -p "$work/target/release"
git ls-files -z --cached --others --exclude-standard | tar -c --null --no-recursion -T - | tar -x -C "$work"
for file in netevd netevd-worker netevd-priv; do
    cp "${BUILT:=target/release}/$file" "$work/target/release/"
done
cp "${NOTICES:-target/notices/NOTICES}" "$work/target/release/NOTICES"
# An argument that names a stage has to be given: buildah 1.28 does not take its default.
run buildah bud --quiet --isolation chroot --network host --format docker --build-arg PROGRAMS=built \
    --build-arg DEBIAN=localhost/debian:bookworm-slim --file "$work/packaging/oci/Dockerfile" \
    --tag localhost/netevd:dockerfile "$work"

run podman run --detach --name "$name" --network none --read-only --tmpfs /run:rw,mode=755 --cap-drop all \
    --cap-add NET_ADMIN,SETUID,SETGID,SETPCAP,CHOWN --health-interval disable localhost/netevd:dockerfile >/dev/null
# A minute at least.
tries=300
until run podman healthcheck run "$name" >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ]; then
        run podman healthcheck run "$name" || true
        run podman logs "$name"
        echo "dockerfile-check.sh: the container does not become healthy" >&2
        exit 1
    fi
    sleep 0.2
done
run podman stop --time 10 "$name" >/dev/null
status=$(run podman inspect --format '{{.State.ExitCode}}' "$name")
[ "$status" = 0 ] || { echo "dockerfile-check.sh: exit status $status" >&2; exit 1; }
echo "packaging/oci/Dockerfile: built, healthy, stopped with status 0"
