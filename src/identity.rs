//! Under which ids the two children run.
//!
//! Users `netevd` and `netevd-priv`; where they do not exist, two ids that nobody has; where a
//! user namespace maps no second id, the caller's own.

use caps::{CapSet, Capability};
use nix::unistd::{Gid, Group, Uid, User};
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;

/// A uid and its gid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// User id.
    pub uid: Uid,
    /// Group id; no supplementary groups are kept.
    pub gid: Gid,
}

/// What the launcher itself may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Privileges {
    /// CAP_NET_ADMIN: a helper can be started.
    pub net_admin: bool,
    /// CAP_SETUID
    pub set_uid: bool,
    /// CAP_SETGID
    pub set_gid: bool,
    /// CAP_SETPCAP: the children's bounding sets can be emptied.
    pub setpcap: bool,
    /// CAP_KILL: a child of another user is signalled when this process is killed.
    pub kill: bool,
}

/// The two identities, and what is to be said about them.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    /// Of `netevd-worker`, and of scripts without `scripts.user`.
    pub worker: Identity,
    /// Of `netevd-priv`.
    pub helper: Identity,
    /// False when both are the caller's.
    pub separate: bool,
    /// Lines for the log.
    pub notes: Vec<String>,
}

/// Why no identity could be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdentityError {
    /// `--user` or `--helper-user` names nobody.
    Unknown(String),
    /// The two are the same, or one is root.
    NotSeparate(String),
    /// No free id in the whole range.
    NoneFree,
    /// `scripts.user` is one of the two, or root.
    NotForScripts(String, Uid),
    /// An id was asked for that this process cannot take.
    NotPermitted(String),
}

/// Ids for a host without the users: outside of the ranges of distributions (to 59999), of
/// systemd-homed (60001-60513) and of DynamicUser (61184-65519), see systemd's UIDS-GIDS.
pub(crate) const SPARE: RangeInclusive<u32> = 61_000..=61_183;

impl Privileges {
    /// Reads the effective set.
    pub(crate) fn of_this_process() -> Self {
        let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
        Self {
            net_admin: has(Capability::CAP_NET_ADMIN),
            set_uid: has(Capability::CAP_SETUID),
            set_gid: has(Capability::CAP_SETGID),
            setpcap: has(Capability::CAP_SETPCAP),
            kill: has(Capability::CAP_KILL),
        }
    }

    /// CAP_SETUID and CAP_SETGID: children can have ids of their own.
    fn set_ids(self) -> bool {
        self.set_uid && self.set_gid
    }

    /// A line for each capability that is missing, with what does not work without it; CAP_NET_ADMIN is
    /// the caller's to name. `owns` says whether the runtime directory is the worker's. An ordinary
    /// user, who has none, is not bothered.
    pub(crate) fn missing(self, identities: &Identities, owns: bool) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |capability: &str, effect: String| lines.push(format!("no {capability}: {effect}"));
        if !identities.separate {
            let ids = match (self.set_uid, self.set_gid) {
                (true, true) => return lines,
                (false, true) => "CAP_SETUID",
                (true, false) => "CAP_SETGID",
                (false, false) => "CAP_SETUID and CAP_SETGID",
            };
            let uid = Uid::effective();
            if self.net_admin {
                line(ids, "worker, helper and scripts cannot have separate users".to_owned());
            } else if uid.is_root() {
                line(ids, format!("worker and scripts run as uid {uid}"));
            }
            return lines;
        }
        if !owns {
            let effect = "the runtime directory stays root's, so the worker cannot save its state or make the \
                          API's socket, and `netevd status` finds no daemon";
            line("CAP_CHOWN", effect.to_owned());
        }
        if !self.setpcap {
            let effect = "the children keep the bounding set; no_new_privs still keeps them from gaining a \
                          capability";
            line("CAP_SETPCAP", effect.to_owned());
        }
        // With process 1 its whole PID namespace ends.
        if !self.kill && std::process::id() != 1 {
            let effect = "if this process is killed by SIGKILL, its children go on without it";
            line("CAP_KILL", effect.to_owned());
        }
        lines
    }
}

impl Identity {
    /// The caller's.
    pub(crate) fn own() -> Self {
        Self { uid: Uid::effective(), gid: Gid::effective() }
    }

    fn spare_at(number: u32) -> Self {
        Self { uid: Uid::from_raw(number), gid: Gid::from_raw(number) }
    }

    /// Whether this user namespace has these ids.
    fn is_mapped(self) -> bool {
        let (uid, gid) = (self.uid.as_raw(), self.gid.as_raw());
        is_mapped("/proc/self/uid_map", uid) && is_mapped("/proc/self/gid_map", gid)
    }

    /// Whether it exists here and no user or group has it.
    fn is_nobody(self) -> bool {
        self.is_mapped()
            && User::from_uid(self.uid).is_ok_and(|user| user.is_none())
            && Group::from_gid(self.gid).is_ok_and(|group| group.is_none())
    }

    /// By name or number.
    fn named(text: &str) -> Result<Self, IdentityError> {
        let unknown = || IdentityError::Unknown(text.to_owned());
        if let Ok(number) = text.parse::<u32>() {
            let user = User::from_uid(Uid::from_raw(number)).ok().flatten();
            let gid = user.map_or(Gid::from_raw(number), |user| user.gid);
            return Ok(Self { uid: Uid::from_raw(number), gid });
        }
        let user = User::from_name(text).ok().flatten().ok_or_else(unknown)?;
        Ok(Self { uid: user.uid, gid: user.gid })
    }
}

/// Chooses both; `worker` and `helper` are what the command line names. `before` is the worker's
/// uid of the last time: if it is one of the spare ids it is taken again, so that the worker can
/// read what it left, whatever its scripts have left running.
pub(crate) fn choose(
    privileges: Privileges,
    worker: Option<&str>,
    helper: Option<&str>,
    before: Option<u32>,
) -> Result<Identities, IdentityError> {
    let own = Identity::own();
    let switchable = privileges.set_ids() && groups_can_be_dropped();
    for name in [worker, helper].into_iter().flatten() {
        let id = Identity::named(name)?;
        if id != own && !(switchable && id.is_mapped()) {
            return Err(IdentityError::NotPermitted(name.to_owned()));
        }
    }
    if !switchable
        || (worker.is_none() && helper.is_none() && !Identity::spare_at(*SPARE.start()).is_mapped())
    {
        let notes = if privileges.net_admin { vec![what_separation_is_left(own)] } else { Vec::new() };
        return Ok(Identities { worker: own, helper: own, separate: false, notes });
    }
    let mut notes = Vec::new();
    let before = before.filter(|uid| SPARE.contains(uid)).map(Identity::spare_at).filter(|id| id.is_nobody());
    let worker = one(worker, "netevd", || before.or_else(|| spare(None)), &mut notes)?;
    let helper = one(helper, "netevd-priv", || spare(Some(worker)), &mut notes)?;
    if worker.uid == helper.uid || worker.uid.is_root() || helper.uid.is_root() {
        return Err(IdentityError::NotSeparate(format!("uid {} and uid {}", worker.uid, helper.uid)));
    }
    Ok(Identities { worker, helper, separate: true, notes })
}

/// As whom scripts run: `scripts.user`, if there is one and an id can be taken at all.
pub(crate) fn of_scripts(
    identities: &Identities,
    user: Option<&str>,
) -> Result<Option<Identity>, IdentityError> {
    let Some(name) = user.filter(|_| identities.separate) else { return Ok(None) };
    let id = Identity::named(name)?;
    if !id.is_mapped() {
        return Err(IdentityError::NotPermitted(name.to_owned()));
    }
    if id.uid.is_root() || [identities.worker.uid, identities.helper.uid].contains(&id.uid) {
        return Err(IdentityError::NotForScripts(name.to_owned(), id.uid));
    }
    Ok(Some(id))
}

/// As named, else the user of this name, else an id that nobody has.
fn one(
    asked: Option<&str>,
    user: &str,
    spare: impl FnOnce() -> Option<Identity>,
    notes: &mut Vec<String>,
) -> Result<Identity, IdentityError> {
    if let Some(name) = asked {
        return Identity::named(name);
    }
    if let Ok(id) = Identity::named(user)
        && id.is_mapped()
    {
        return Ok(id);
    }
    let id = spare().ok_or(IdentityError::NoneFree)?;
    notes.push(format!("there is no user {user}: using the id {}, which nobody has", id.uid));
    Ok(id)
}

/// Whether a daemon of root's may run as this user: `netevd`, or an id that nobody but root can take.
pub(crate) fn is_of_a_daemon(uid: u32) -> bool {
    let known = User::from_name("netevd").ok().flatten().is_some_and(|user| user.uid.as_raw() == uid);
    known || (SPARE.contains(&uid) && User::from_uid(Uid::from_raw(uid)).is_ok_and(|user| user.is_none()))
}

fn what_separation_is_left(own: Identity) -> String {
    format!(
        "worker and helper both run as uid {}, because no other id can be taken here: they are separate \
         processes, the worker without capabilities and not dumpable, the helper with CAP_NET_ADMIN alone, \
         but either may signal the other",
        own.uid
    )
}

/// The first id of the range that no user, group or process has.
fn spare(taken: Option<Identity>) -> Option<Identity> {
    let used = ids_of_processes();
    SPARE
        .map(Identity::spare_at)
        .find(|id| taken != Some(*id) && id.is_nobody() && !used.contains(&id.uid.as_raw()))
}

fn ids_of_processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter(|e| e.file_name().as_encoded_bytes()[0].is_ascii_digit());
    processes.filter_map(|e| e.metadata().ok()).map(|m| m.uid()).collect()
}

/// Whether an id exists in this user namespace; user_namespaces(7). Without /proc it is taken
/// to exist, and the change of identity reports what is so.
fn is_mapped(map: &str, id: u32) -> bool {
    fs::read_to_string(map).map_or(true, |map| covers(&map, id))
}

fn covers(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_whitespace().map(str::parse::<u32>);
        match (fields.next(), fields.next(), fields.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                id.checked_sub(first).is_some_and(|offset| offset < count)
            }
            _ => false,
        }
    })
}

/// A user namespace made by an ordinary user denies setgroups(2).
fn groups_can_be_dropped() -> bool {
    fs::read_to_string("/proc/self/setgroups").map_or(true, |text| text.trim() != "deny")
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {} gid {}", self.uid, self.gid)
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(f, "there is no user {name:?}: create it (useradd --system {name}) or give a number")
            }
            Self::NotSeparate(ids) => write!(
                f,
                "worker and helper would run as {ids}: give two different unprivileged users with --user and \
                 --helper-user"
            ),
            Self::NotForScripts(name, uid) => write!(
                f,
                "scripts.user: {name} is uid {uid}, which is root's, the worker's or the helper's: name a user of \
                 the scripts' own, or leave it out"
            ),
            Self::NoneFree => write!(
                f,
                "every id from {} to {} is in use: create the users netevd and netevd-priv",
                SPARE.start(),
                SPARE.end()
            ),
            Self::NotPermitted(name) => write!(
                f,
                "the identity of {name:?} cannot be taken: that needs CAP_SETUID and CAP_SETGID, and an id that \
                 this user namespace maps"
            ),
        }
    }
}

impl std::error::Error for IdentityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_user_namespaces() {
        assert!(covers("         0          0 4294967295\n", 61_000));
        assert!(covers("0 1000 1\n1 100000 65536\n", 61_000));
        assert!(!covers("0 1000 1\n", 61_000));
        assert!(covers("0 1000 1\n", 0));
        assert!(!covers("", 0));
    }

    #[test]
    fn spare_ids_belong_to_nobody_and_differ() {
        let Some(first) = spare(None) else {
            // A user namespace with few ids has none of these.
            assert!(!Identity::spare_at(*SPARE.start()).is_mapped());
            return;
        };
        let second = spare(Some(first)).expect("another");
        assert_ne!(first, second);
        for id in [first, second] {
            assert!(SPARE.contains(&id.uid.as_raw()));
            assert_eq!(User::from_uid(id.uid), Ok(None));
        }
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = Identity::named("no-such-user-here").expect_err("nobody");
        assert!(error.to_string().contains("useradd"), "{error}");
        assert_eq!(Identity::named("0").map(|id| id.uid), Ok(Uid::from_raw(0)));
    }
}
