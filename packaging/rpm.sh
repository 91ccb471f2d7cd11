#!/bin/sh
# rpm.sh: packages the programs in BUILT as rpm and its sources as src.rpm, and runs rpmlint. See common.sh.
# rpmbuild writes its directories' names into the src.rpm.
set -eu
cd "$(dirname "$0")/.."
. packaging/common.sh
version=$(packaging/version.sh rpm)
stage "netevd-$version"
mkdir "$work/SOURCES" "$work/SPECS"
sed "s/^Version: .*/Version:        $version/; s/^%global tag .*/%global tag v$(packaging/version.sh cargo)/" \
    packaging/rpm/netevd.spec >"$work/SPECS/netevd.spec"
archive "netevd-$version" "$work/SOURCES/netevd-$version.tar.gz"
payload=w19.zstdio
[ "${COMPRESSION:-full}" = full ] || payload=w1.zstdio
# Where rpm looks again after --target, which forgets what --load has read.
[ -e /usr/lib/rpm/macros.d/macros.systemd ] || cp packaging/rpm/macros.systemd "$work/.rpmmacros"
# Without what building from source needs (--nodeps): nothing is built.
inside root "$work" rpmbuild ${PACKAGE_ARCH:+--target "$PACKAGE_ARCH"} -ba --nodeps --with built \
    --define "_topdir /mnt/netevd" --define "built /mnt/built" --define "_libexecdir /usr/libexec" \
    --define "_buildhost reproducible" --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" --define "_binary_payload $payload" \
    --define "_source_payload $payload" /mnt/netevd/SPECS/netevd.spec >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    exit 1
}
mv "$work"/RPMS/*/*.rpm "$work/netevd.rpm"
mv "$work"/SRPMS/*.rpm "$work/netevd.src.rpm"
arch=$(rpm -qp --qf '%{ARCH}' "$work/netevd.rpm")
package=$PACKAGES/netevd-$version-1.$arch.rpm source=$PACKAGES/netevd-$version-1.src.rpm
mv "$work/netevd.rpm" "$package"
mv "$work/netevd.src.rpm" "$source"
printf '%s\n' "$package" "$source"
[ "${LINT:-yes}" = yes ] || exit 0
# Both at once: each filter has to be of use. A warning fails as an error does.
status=0
rpmlint -r packaging/rpm/netevd.rpmlintrc "$package" "$source" >"$work/lint" 2>&1 || status=1
! grep -qE ' (W|E): ' "$work/lint" || status=1
[ $status = 1 ] && cat "$work/lint"
tail -n 1 "$work/lint"
exit $status
