//! The kernel's own guard over the helper: Landlock without a rule, and a seccomp filter.
//!
//! Both hold against whoever should take the helper over. Where the kernel or this architecture
//! has no such thing, that is said; every other failure is the caller's.

use super::calls::{CALLS, Is};
use crate::start::{cannot, log};
use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetStatus, Scope,
};
use nix::libc::ENOSYS;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::env::consts::ARCH;

/// The latest interface that was tried. An older kernel does what it knows of it: the crate's
/// best effort.
const TRIED: ABI = ABI::V7;

/// Landlock's rule set: everything that it can refuse, and no exception.
pub(super) fn no_rule() -> Result<RulesetCreated, String> {
    let handled = Ruleset::default().handle_access(AccessFs::from_all(TRIED));
    let handled = handled.and_then(|set| set.handle_access(AccessNet::from_all(TRIED)));
    let handled = handled.and_then(|set| set.scope(Scope::from_all(TRIED)));
    handled.and_then(Ruleset::create).map_err(cannot("lock down, landlock_create_ruleset"))
}

/// From here on no file is opened and no TCP port, nor anything asked of another process.
pub(super) fn enforce(rules: RulesetCreated) -> Result<(), String> {
    let status = rules.restrict_self().map_err(cannot("lock down, landlock_restrict_self"))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        log("this kernel has no Landlock, or it is switched off: locked down without it");
    }
    Ok(())
}

/// From here on a call that is not in [`CALLS`] kills the process.
pub(super) fn filter_calls() -> Result<(), String> {
    let missing = match program() {
        Ok(program) => match apply_filter(&program) {
            Ok(()) => return Ok(()),
            Err(Error::Seccomp(error)) if error.raw_os_error() == Some(ENOSYS) => "this kernel",
            Err(error) => return Err(cannot("lock down, seccomp")(error)),
        },
        Err(BackendError::InvalidTargetArch(_)) => "seccompiler on this architecture",
        Err(error) => return Err(cannot("lock down, the seccomp filter")(error)),
    };
    log(&format!("{missing} has no seccomp filters: locked down without one"));
    Ok(())
}

fn program() -> Result<BpfProgram, BackendError> {
    let condition = |(position, width, value): &Is| {
        SeccompCondition::new(*position, width.clone(), SeccompCmpOp::Eq, *value)
    };
    let form = |form: &&[Is]| SeccompRule::new(form.iter().map(condition).collect::<Result<_, _>>()?);
    let call =
        |(number, forms): &(_, &[&[Is]])| Ok((*number, forms.iter().map(form).collect::<Result<_, _>>()?));
    let rules = CALLS.iter().map(call).collect::<Result<_, _>>()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests;
