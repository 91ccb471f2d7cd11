//! The filter's program, run by a separate interpreter: that it is made for this architecture and by
//! its numbers, also where the system calls are emulated and no filter is to be had (qemu-user).

#![cfg(test)]

use super::super::program;
use super::ATTEMPTS;
use nix::libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, c_long};
use seccompiler::BpfProgram;

/// `AUDIT_ARCH_*` of linux/audit.h, and the numbers in asm/unistd_64.h and asm-generic/unistd.h, in the
/// order of [`super::super::CALLS`].
#[cfg(target_arch = "x86_64")]
const EXPECTED: (u32, [c_long; 12]) = (0xC000_003E, [271, 47, 45, 44, 1, 12, 9, 25, 11, 228, 131, 231]);
#[cfg(target_arch = "aarch64")]
const EXPECTED: (u32, [c_long; 12]) =
    (0xC000_00B7, [73, 212, 207, 206, 64, 214, 222, 216, 215, 113, 132, 94]);
#[cfg(target_arch = "riscv64")]
const EXPECTED: (u32, [c_long; 12]) =
    (0xC000_00F3, [73, 212, 207, 206, 64, 214, 222, 216, 215, 113, 132, 94]);

#[test]
fn it_is_for_this_architecture_and_its_numbers() {
    let (architecture, numbers) = EXPECTED;
    assert_eq!(super::super::CALLS.map(|(number, _)| number), numbers);
    let program = program().expect("a program");
    let exit = *numbers.last().expect("one");
    assert_eq!(verdict(&program, architecture, exit, &[0; 6]), SECCOMP_RET_ALLOW);
    // The same call by another architecture's entry, where the numbers are others.
    for other in [0x4000_0003, 0xC000_003E, 0xC000_00B7, 0xC000_00F3] {
        let expected = if other == architecture { SECCOMP_RET_ALLOW } else { SECCOMP_RET_KILL_PROCESS };
        assert_eq!(verdict(&program, other, exit, &[0; 6]), expected, "{other:#x}");
    }
}

#[test]
fn its_verdicts_are_those_of_the_kernel() {
    let program = program().expect("a program");
    for (call, arguments, permitted) in ATTEMPTS {
        let expected = if permitted { SECCOMP_RET_ALLOW } else { SECCOMP_RET_KILL_PROCESS };
        assert_eq!(verdict(&program, EXPECTED.0, call, &arguments), expected, "{call} of {arguments:?}");
    }
}

/// Runs the program as seccomp(2) does, over a `struct seccomp_data`.
fn verdict(program: &BpfProgram, architecture: u32, call: c_long, arguments: &[c_long; 6]) -> u32 {
    let number = u32::try_from(call).expect("a call's number");
    let mut data = [number.to_ne_bytes(), architecture.to_ne_bytes()].concat();
    // The instruction's address.
    data.extend([0; 8]);
    data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
        // linux/bpf_common.h: class, then size and mode, operation or source.
        match step.code {
            // BPF_LD | BPF_W | BPF_ABS
            0x20 => {
                let place = step.k as usize;
                let word = data[place..place + 4].try_into().expect("four bytes");
                accumulator = u32::from_ne_bytes(word);
            }
            // BPF_ALU | BPF_AND | BPF_K
            0x54 => accumulator &= step.k,
            // BPF_JMP | BPF_JA
            0x05 => at += step.k as usize,
            // BPF_JMP | BPF_JEQ, BPF_JGT, BPF_JGE | BPF_K
            0x15 => at += jump(accumulator == step.k),
            0x25 => at += jump(accumulator > step.k),
            0x35 => at += jump(accumulator >= step.k),
            // BPF_RET | BPF_K
            0x06 => return step.k,
            code => panic!("instruction {code:#x} is not known here"),
        }
    }
}
