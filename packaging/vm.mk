# The package on Debian's own kernels (6.1 and 6.12), emulated: users' kernels are not that of the machine
# on which tests run.

# What is tested: the .deb of this version, or another one, or a directory of built programs that `make
# install` takes.
VM_SUBJECT ?= $(PACKAGES)/netevd_$(shell packaging/version.sh deb)-1_amd64.deb
VM_SUITES ?= bookworm trixie
# A drop-in for netevd-priv.service, to see the test fail: VM_DROPIN=tests/vm/no-readlink.conf
VM_DROPIN ?=

.PHONY: test-vm
test-vm: $(if $(filter file,$(origin VM_SUBJECT)),deb) ## The .deb on Debian's own kernels in qemu, no /dev/kvm needed: VM_SUBJECT= VM_SUITES= (root)
	@tests/support/packages.sh mmdebstrap:mmdebstrap mke2fs:e2fsprogs qemu-system-x86_64:qemu-system-x86
	@tests/vm/all.sh $(VM_SUBJECT) "$(VM_DROPIN)" $(VM_SUITES)
