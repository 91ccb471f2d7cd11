#!/usr/bin/env python3
"""image.py OUT.tar NAME:TAG ARCH=TREE... - writes a container image of one layer, without a registry, a daemon or root.

TREE is a directory, whose files become root's, or a tar file, whose owners stay. With several architectures the
tag names an index of all of them. OUT.tar is an OCI layout (skopeo, podman, umoci, containerd) that has the
manifest.json of `docker load`, too. The same trees give the same bytes: sorted, no time after SOURCE_DATE_EPOCH.
It ends with status 1 where an image is larger than --unpacked or --packed permits."""

import argparse
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import time

OCI = "application/vnd.oci.image."
SBOM = "application/vnd.cyclonedx+json"
LABEL = "org.opencontainers.image."
SECOND = 10**9
# What `podman run` and `docker run` do without options; docs/user/container.md explains it.
CONFIG = {
    # Named, so that root has the supplementary group netevd of /etc/group.
    "User": "root",
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=/run"],
    "Entrypoint": ["/usr/bin/netevd"],
    "Cmd": ["start"],
    "StopSignal": "SIGTERM",
    # Not of OCI; Docker writes and reads it in OCI images as well.
    "Healthcheck": {"Test": ["CMD", "/usr/bin/netevd", "status"], "Interval": 30 * SECOND, "Timeout": 5 * SECOND,
                    "StartPeriod": 5 * SECOND, "Retries": 3},
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("name", metavar="NAME:TAG")
    parser.add_argument("trees", metavar="ARCH=TREE", nargs="+")
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", default="", help="the commit")
    parser.add_argument("--sbom", action="append", default=[], metavar="FILE", help="CycloneDX, attached as referrer")
    parser.add_argument("--unpacked", type=float, metavar="MB", help="maximum size of the layer in MB (10^6 bytes)")
    parser.add_argument("--packed", type=float, metavar="MB", help="the same of the compressed layer")
    options = parser.parse_args()
    if ":" not in options.name.rsplit("/", 1)[-1]:
        parser.error(f"{options.name}: write NAME:TAG")
    options.trees = [tree.partition("=")[::2] for tree in options.trees]
    if not all(arch and tree for arch, tree in options.trees):
        parser.error("write ARCH=TREE, for example amd64=target/tree")
    return options


def epoch():
    try:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    except (KeyError, ValueError):
        sys.exit("image.py: SOURCE_DATE_EPOCH is not set to a number of seconds: git log -1 --format=%ct")


def members(tree):
    """(entry, contents or None) of a directory."""
    for here, directories, files in os.walk(tree):
        for name in directories + files:
            path = os.path.join(here, name)
            info = tarfile.TarInfo(os.path.relpath(path, tree))
            found = os.lstat(path)
            info.mode = found.st_mode & 0o7777
            info.mtime = found.st_mtime
            if os.path.islink(path):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
                yield info, None
            elif os.path.isdir(path):
                info.type = tarfile.DIRTYPE
                yield info, None
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    contents = file.read()
                info.size = len(contents)
                yield info, contents
            else:
                sys.exit(f"image.py: {path}: not a file, a directory or a link")


def unpacked(path):
    """(entry, contents or None) of a tar file, without devices: the runtime makes those."""
    with tarfile.open(path) as tar:
        for info in tar:
            info.name = info.name.removeprefix("./").rstrip("/")
            if info.islnk():
                info.linkname = info.linkname.removeprefix("./")
            if info.pax_headers.keys() - {"path", "linkpath", "mtime", "atime", "ctime"}:
                sys.exit(f"image.py: {path}: {info.name} has {sorted(info.pax_headers)}, which would be lost")
            if info.name not in ("", ".") and not info.isdev():
                yield info, tar.extractfile(info).read() if info.isreg() else None


def layer(tree, latest):
    """A tar file of the tree."""
    read = members if os.path.isdir(tree) else unpacked
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        # Sorted by components, so that a directory comes before what is in it; a hard link comes after its file.
        found = sorted(read(tree), key=lambda member: (member[0].islnk(), member[0].name.split("/")))
        for info, contents in found:
            info.mtime = min(int(info.mtime), latest) if read is unpacked else latest
            info.uname = info.gname = ""
            info.pax_headers = {}
            tar.addfile(info, None if contents is None else io.BytesIO(contents))
    return raw.getvalue()


class Layout:
    """Blobs by their digest."""

    def __init__(self):
        self.blobs = {}

    def put(self, media_type, contents, **more):
        """Keeps a blob, and describes it."""
        if not isinstance(contents, bytes):
            contents = json.dumps(contents, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(contents).hexdigest()
        self.blobs[digest] = contents
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(contents), **more}

    def manifest(self, config, layers, **more):
        document = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": layers}
        return self.put(OCI + "manifest.v1+json", document | more)

    def write(self, out, index, legacy, latest):
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, "manifest.json": legacy}
        files |= {f"blobs/sha256/{digest}": contents for digest, contents in sorted(self.blobs.items())}
        with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
            for name, contents in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.mtime = len(contents), 0o644, latest
                tar.addfile(info, io.BytesIO(contents))


def path_of(descriptor):
    return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")


def main():
    options, latest = arguments(), epoch()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(latest))
    labels = {LABEL + "title": "netevd", LABEL + "version": options.version, LABEL + "created": created,
              LABEL + "licenses": "LGPL-3.0-or-later", LABEL + "source": "https://github.com/netevd/netevd",
              LABEL + "description": "Network event daemon: scripts on network events and source-based policy routing"}
    if options.revision:
        labels[LABEL + "revision"] = options.revision
    layout, images, legacy, failed = Layout(), [], [], False
    for arch, tree in options.trees:
        raw = layer(tree, latest)
        packed = gzip.compress(raw, 9, mtime=0)
        for what, size, most in (("unpacked", len(raw), options.unpacked), ("packed", len(packed), options.packed)):
            print(f"{options.name} {arch}: {size / 1e6:.1f} MB {what}" + (f", at most {most:g}" if most else ""))
            if most and size > most * 1e6:
                print(f"image.py: the image is larger than that: see what is in {tree}", file=sys.stderr)
                failed = True
        config = layout.put(OCI + "config.v1+json", {
            "created": created, "architecture": arch, "os": "linux", "config": CONFIG | {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(raw).hexdigest()]},
            "history": [{"created": created, "created_by": "netevd packaging/oci/image.py"}]})
        one = layout.put(OCI + "layer.v1.tar+gzip", packed)
        image = layout.manifest(config, [one], annotations=labels)
        images.append(image | {"platform": {"architecture": arch, "os": "linux"}})
        legacy.append({"Config": path_of(config), "RepoTags": [options.name], "Layers": [path_of(one)]})
    if failed:
        sys.exit(1)
    tagged = images[0]
    if len(images) > 1:
        tagged = layout.put(OCI + "index.v1+json", {
            "schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": images, "annotations": labels})
    subject = {key: tagged[key] for key in ("mediaType", "digest", "size")}
    names = {LABEL + "ref.name": options.name.rpartition(":")[2], "io.containerd.image.name": options.name}
    manifests = [tagged | {"annotations": names}]
    for file in options.sbom:
        with open(file, "rb") as source:
            title = {LABEL + "title": os.path.basename(file)}
            document = layout.put(SBOM, source.read(), annotations=title)
        empty = layout.put("application/vnd.oci.empty.v1+json", b"{}")
        manifests.append(layout.manifest(empty, [document], artifactType=SBOM, subject=subject) | {"artifactType": SBOM})
    dump = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}
    # `docker load` before version 25 knows no index; it gets the first architecture.
    layout.write(options.out, dump(index), dump(legacy[:1]), latest)
    print(f"{options.out}: {tagged['digest']}")


if __name__ == "__main__":
    main()
