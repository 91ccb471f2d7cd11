//! Users and groups by name or number, without the C library's own look-up.
//!
//! That one (NSS, nsswitch.conf(5)) loads modules into the process that asks, with all that they are
//! linked with, and they stay there: a directory's client in a daemon that asked once for a group. A
//! statically linked program can hardly host them at all. So /etc/passwd and /etc/group are read here,
//! and who is not there is asked of getent(1), a child that takes the modules along when it ends.
//!
//! Blocks: for the start, for a configuration, for a connection. Nothing is remembered.

use crate::sys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A directory that does not answer must not hold up the start forever.
const TIMEOUT: Duration = Duration::from_secs(5);
/// One entry; a group may have thousands of members.
const ANSWER_MAX: usize = 1 << 20;

/// Of passwd(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    /// Its first group.
    pub(crate) gid: u32,
}

/// The user of this name; `None` when nobody has it.
///
/// # Errors
/// No answer: the directory is slow, or getent cannot be run.
pub(crate) fn user(name: &str) -> io::Result<Option<Account>> {
    HOST.user(name)
}

/// The user of this number, as [`user`].
///
/// # Errors
/// As of [`user`].
pub(crate) fn user_of(uid: u32) -> io::Result<Option<Account>> {
    HOST.user_of(uid)
}

/// The number of the group of this name, as [`user`].
///
/// # Errors
/// As of [`user`].
pub(crate) fn group(name: &str) -> io::Result<Option<u32>> {
    HOST.group(name)
}

/// The groups that the user of this name is a member of, beside its first.
///
/// # Errors
/// As of [`user`].
pub(crate) fn groups_of(name: &str) -> io::Result<Vec<u32>> {
    HOST.groups_of(name)
}

/// Where it is written.
struct UserDb<'a> {
    passwd: &'a str,
    group: &'a str,
    getent: &'a str,
    patience: Duration,
}

const HOST: UserDb<'static> =
    UserDb { passwd: "/etc/passwd", group: "/etc/group", getent: "/usr/bin/getent", patience: TIMEOUT };

impl UserDb<'_> {
    fn user(&self, name: &str) -> io::Result<Option<Account>> {
        self.find(self.passwd, "passwd", name, |line| {
            account(line).and_then(|(found, account)| (found == name).then_some(account))
        })
    }

    fn user_of(&self, uid: u32) -> io::Result<Option<Account>> {
        let number = uid.to_string();
        self.find(self.passwd, "passwd", &number, |line| {
            account(line).and_then(|(_, account)| (account.uid == uid).then_some(account))
        })
    }

    fn group(&self, name: &str) -> io::Result<Option<u32>> {
        self.find(self.group, "group", name, |line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    }

    fn groups_of(&self, name: &str) -> io::Result<Vec<u32>> {
        // `name 10 20 30`; a host without a getent that knows this database has no more than the file.
        if let Ok(Some(answer)) = self.ask("initgroups", name) {
            return Ok(answer.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect());
        }
        let text = fs::read_to_string(self.group)?;
        let is_member = |members: &str| members.split(',').any(|member| member == name);
        let gid = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            fields.get(3).filter(|members| is_member(members)).and_then(|_| fields.get(2)?.parse().ok())
        };
        Ok(text.lines().filter_map(gid).collect())
    }

    /// In the file, else by getent; `None` when both say that there is no such entry.
    fn find<T>(
        &self,
        file: &str,
        database: &str,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> io::Result<Option<T>> {
        // Lines are of bytes; one that is no text is nobody's that can be named here.
        let text = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if let Some(found) = text.iter().flat_map(|text| text.lines()).find_map(&read) {
            return Ok(Some(found));
        }
        Ok(self.ask(database, key)?.and_then(|answer| answer.lines().find_map(&read)))
    }

    /// What getent says; `None` when it knows no such entry, or is not there: then there is no
    /// directory beside the files either.
    fn ask(&self, database: &str, key: &str) -> io::Result<Option<String>> {
        // Would be an option, or several lines of a file.
        if key.is_empty() || key.starts_with('-') || key.contains(['\0', '\n', ':']) {
            return Ok(None);
        }
        sys::close_on_exec_from_3();
        let child = Command::new(self.getent)
            .args([database, key])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match child {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let answer = listen(&mut child, self.patience);
        if answer.is_err() {
            // It may have ended meanwhile.
            let _ = child.kill();
        }
        let status = child.wait()?;
        let answer = answer?;
        match status.code() {
            Some(0) => Ok(Some(String::from_utf8_lossy(&answer).into_owned())),
            // The key is not there (getent(1)).
            Some(2) => Ok(None),
            _ => Err(io::Error::other(format!("getent {database} {key}: {status}"))),
        }
    }
}

/// All that a child prints until it closes its output.
fn listen(child: &mut Child, patience: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let mut answer = Vec::new();
    let Some(mut output) = child.stdout.take() else { return Ok(answer) };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        if left.is_zero() || poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "getent does not answer"));
        }
        let mut part = [0; 4096];
        let taken = output.read(&mut part)?;
        if taken == 0 {
            return Ok(answer);
        }
        answer.extend_from_slice(part.get(..taken).unwrap_or_default());
        if answer.len() > ANSWER_MAX {
            return Err(io::Error::other("getent does not come to an end"));
        }
    }
}

/// A line of passwd(5): its name, and who that is.
fn account(line: &str) -> Option<(&str, Account)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((name, Account { uid, gid }))
}

#[cfg(test)]
mod tests;
