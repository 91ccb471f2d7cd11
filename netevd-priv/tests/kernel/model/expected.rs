//! What a model expects of a request, and whether what came is that. Pure.

use crate::ours::Ours;
use protocol::{Prefix, Refusal, Reply};
use std::collections::BTreeSet;

/// Objects of ours.
pub(crate) type Set = BTreeSet<Ours>;

/// What identifies an object of ours: a rule by all that it is, a route by where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Rule(Ours),
    Route(u32, Prefix, u32),
}

/// What may come of a request.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Any of these, if there is one, is the answer.
    pub(crate) refusals: BTreeSet<Refusal>,
    /// The answer otherwise, and what of ours stands then.
    pub(crate) granted: (Reply, Set),
    /// What need not stand, though it is among the above.
    pub(crate) uncertain: Set,
    /// The kernel may refuse as well: an interface is down, a gateway out of reach.
    pub(crate) may_fail: bool,
    /// For this reason it may be refused, and need not.
    pub(crate) may_be_refused: Option<Refusal>,
    /// What may have gone in before it was refused or failed.
    pub(crate) first: Option<Ours>,
    /// What it names, in a synchronisation.
    pub(crate) keys: Vec<Key>,
}

impl Expected {
    /// This reply and no other.
    pub(crate) fn plain(reply: Reply, after: Set) -> Self {
        Self {
            refusals: BTreeSet::new(),
            granted: (reply, after),
            uncertain: Set::new(),
            may_fail: false,
            may_be_refused: None,
            first: None,
            keys: Vec::new(),
        }
    }

    /// What is meant goes; `Absent` if that is nothing.
    pub(crate) fn deletion(ours: Set, meant: impl Fn(&Ours) -> bool) -> Self {
        let count = ours.len();
        let left: Set = ours.into_iter().filter(|object| !meant(object)).collect();
        Self::plain(if left.len() < count { Reply::Ok } else { Reply::Absent }, left)
    }

    /// Whether this reply, with these objects of ours before and after, is as expected.
    pub(crate) fn agrees(&self, reply: Reply, before: &Set, after: &Set) -> Result<(), String> {
        let partly = |after: &Set| {
            let mut with = before.clone();
            self.first.iter().for_each(|object| put(&mut with, object));
            after == before || *after == with
        };
        match reply {
            Reply::Refused(refusal)
                if self.refusals.contains(&refusal) || self.may_be_refused == Some(refusal) =>
            {
                // What a limit ends has begun.
                if after == before || (refusal == Refusal::Limit && partly(after)) {
                    return Ok(());
                }
                Err(format!("refused, and yet changed: {}", difference(before, after)))
            }
            Reply::Kernel(_) if self.may_fail && partly(after) => Ok(()),
            _ if !self.refusals.is_empty() => Err(format!("expected one of {:?}", self.refusals)),
            _ if reply != self.granted.0 => Err(format!("expected {:?}", self.granted.0)),
            _ => {
                let needed: Set = self.granted.1.difference(&self.uncertain).cloned().collect();
                if needed.is_subset(after) && after.is_subset(&self.granted.1) {
                    return Ok(());
                }
                Err(format!("expected, and what is instead: {}", difference(&self.granted.1, after)))
            }
        }
    }
}

/// What identifies it.
pub(crate) fn key(object: &Ours) -> Key {
    match object {
        Ours::Rule(_) => Key::Rule(object.clone()),
        Ours::Route(r) => Key::Route(r.table, r.destination, r.metric),
    }
}

/// Puts it in the place of what has its key.
pub(crate) fn put(set: &mut Set, object: &Ours) {
    set.retain(|other| key(other) != key(object));
    set.insert(object.clone());
}

fn difference(was: &Set, is: &Set) -> String {
    format!(
        "less {:?}, more {:?}",
        was.difference(is).collect::<Vec<_>>(),
        is.difference(was).collect::<Vec<_>>()
    )
}
