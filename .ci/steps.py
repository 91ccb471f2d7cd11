#!/usr/bin/env python3
"""steps.py [NAME...] - the steps of CI, side by side where they do not need each other, and a table of their
times at the end. Without names all; with names those alone, without what they need.

A step's output goes to target/ci/NAME.log and, when it ends, to standard output in one piece. A step that
fails fails the run; steps that need it are not run, and are named. Each step is a `make` target or two: the
same that people run."""

import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / "target" / "ci"
# Two cores. Most tests wait for the kernel or for a machine that boots, compilers do not.
SLOTS = int(os.environ.get("CI_SLOTS", "2"))

# Name: (what has to be done before, the command). First those on which most depends, then the longest. The
# programs are those of `release` wherever BUILT names them: one build for all that installs something.
BUILT = "BUILT=$PWD/target/release"
STEPS = {
    # One installer of packages at a time, so that no other step meets dpkg's lock.
    "packages": ([], "make packages-ci"),
    "release": (["packages"], "make release release-static"),
    "debug": (["packages"], "make build && cargo test --workspace --locked --no-run"),
    # From one seed, as the endurance test: CI judges the change and not its luck. What chance finds is found
    # by `make fuzz`, which prints the seed that it drew.
    "fuzz": (["debug"], "make fuzz FUZZ_SEED=1"),
    "rootfs": (["packages"], "make rootfs"),
    "deb": (["release"], f"make deb {BUILT}"),
    "vm": (["deb"], f"make test-vm {BUILT}"),
    "test": (["debug"], "make test"),
    "boot": (["release", "debug", "rootfs"], "make test-boot"),
    "package-tests": (["boot"], f"make test-packages {BUILT}"),
    "image": (["release", "debug"], "make image reproducible-images test-image"),
    "dist": (["deb"], f"make dist-check {BUILT}"),
    "rpm-arch": (["deb"], f"make rpm arch {BUILT} && make reproducible-packages {BUILT}"),
    "dockerfile": (["image"], f"make dockerfile-check {BUILT}"),
    "arm64": (["debug"], "make test-arm64-helper"),
    "lint": (["debug"], "make lint"),
    "audit": (["debug"], "make audit sbom exposure"),
    # The helper alone: the others take minutes.
    "reproducible": (["release"], "make reproducible WHAT=helper"),
    "size": (["release", "debug"], "make size"),
    # A minute of one seed: CI is no lottery. `make soak` draws another each time.
    "soak": (["release", "debug"], "make soak SOAK_SECONDS=60 SOAK_SEED=1"),
    # That the parts which ask the helper and wait for the kernel still run; CI judges no speed.
    "bench": (["release", "debug"], "make bench PARTS='copies promises helper starts watching'"),
    "hostile": (["debug"], "make test-hostile"),
    "api": (["debug"], "make test-api"),
    "crates": (["packages"], "make crates"),
    "miri": (["packages"], "make miri"),
}

# One of these at a time, beside others: each has several machines of its own at once or loads both cores, and
# two of them make each other's machines slow to answer.
HEAVY = {"vm", "test", "boot", "package-tests", "image", "soak", "hostile"}

# What only some machines can do: where this command fails, the step is left out, and that is said.
OPTIONAL = {"miri": "cargo +nightly miri --version"}


def run(names):
    LOGS.mkdir(parents=True, exist_ok=True)
    waiting, running, ended = list(names), {}, {}
    began = time.monotonic()
    while waiting or running:
        for name in list(waiting):
            needs = [need for need in STEPS[name][0] if need in names]
            failed = [need for need in needs if ended.get(need, (0, 0))[0] != 0]
            if failed:
                waiting.remove(name)
                ended[name] = (None, 0.0)
                print(f"== {name}: not run, for {', '.join(failed)} failed", flush=True)
            elif name in HEAVY and HEAVY & running.keys():
                continue
            elif len(running) < SLOTS and all(need in ended for need in needs):
                waiting.remove(name)
                running[name] = start(name)
        for name, (process, since) in list(running.items()):
            status = process.poll()
            if status is None:
                continue
            del running[name]
            ended[name] = (status, time.monotonic() - since)
            show(name, status)
        time.sleep(0.2)
    return table(names, ended, time.monotonic() - began)


# In CI a test that is skipped is a failure.
ENVIRONMENT = os.environ | {"NETEVD_TEST_REQUIRE": "1"}


def start(name):
    print(f"== {name}: {STEPS[name][1]}", flush=True)
    log = (LOGS / f"{name}.log").open("wb")
    process = subprocess.Popen(["sh", "-c", STEPS[name][1]], cwd=ROOT, env=ENVIRONMENT,
                               stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    return process, time.monotonic()


def show(name, status):
    """The whole output of what failed; of what passed what a reader looks for."""
    lines = (LOGS / f"{name}.log").read_text(errors="replace").splitlines()
    if status == 0:
        lines = [line for line in lines if line.startswith(("test result", "SKIPPED")) or "passed" in line] \
            + lines[-5:]
    print(f"== {name}: {'passed' if status == 0 else f'FAILED with status {status}'}")
    for line in lines[-2000:]:
        print(f"   {line}" if status == 0 else line)
    sys.stdout.flush()


def table(names, ended, whole):
    print("\nstep            seconds  status")
    for name in names:
        status, seconds = ended[name]
        word = {0: "passed", None: "not run"}.get(status, "FAILED")
        print(f"{name:14} {seconds:8.0f}  {word}")
    print(f"{'all':14} {whole:8.0f}")
    good = sum(status == 0 for status, _ in ended.values())
    # How a run is summed up in one line.
    print(f"\nsteps: {good} passed, {len(ended) - good} failed")
    return 0 if good == len(ended) else 1


def main():
    left_out = [name for name, probe in OPTIONAL.items()
                if subprocess.run(["sh", "-c", probe], cwd=ROOT, capture_output=True).returncode != 0]
    names = sys.argv[1:] or [name for name in STEPS if name not in left_out]
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        sys.exit(f"steps.py: no step is called {unknown[0]}; there are {' '.join(STEPS)}")
    status = run(names)
    for name in set(left_out) - set(names):
        print(f"NOT RUN: {name}: `{OPTIONAL[name]}` fails here", file=sys.stderr)
    sys.exit(status)


main()
