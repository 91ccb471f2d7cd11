//! Who owns a well-known name, and whether that is to be believed. Pure: questions to the bus go
//! out by whoever holds this, and answers come in.

use std::fmt;
use std::num::NonZeroU32;

/// Why a service is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nobody owns its name.
    NoOwner,
    /// Somebody does who may not.
    Untrusted {
        /// The user id behind the name.
        uid: u32,
    },
    /// The bus would not say who does; the owner left meanwhile.
    Unknown,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absence::NoOwner => f.write_str("it is not running"),
            Absence::Untrusted { uid } => {
                write!(f, "its name on the bus is held by uid {uid}, which is not to be believed")
            }
            Absence::Unknown => f.write_str("it left while it was looked at"),
        }
    }
}

/// What is known of the owner.
#[derive(Debug, Default, PartialEq, Eq)]
enum Known {
    /// The bus has not said yet.
    #[default]
    Nothing,
    /// No owner, or none to be believed.
    Absent,
    /// The question for its uid is out. Nothing that it sends is taken.
    Asked { name: String, serial: Option<NonZeroU32> },
    /// Its signals are taken.
    Accepted { name: String },
}

/// The owner of one name.
#[derive(Debug, Default)]
pub(super) struct Owner(Known);

/// What follows from news about the name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    None,
    /// Ask for the uid behind this unique name; `left` when an owner that was accepted is gone.
    Ask { name: String, left: bool },
    /// Nobody owns it.
    Left,
}

impl Owner {
    /// The unique name of the owner that is accepted.
    pub(super) fn accepted(&self) -> Option<&str> {
        match &self.0 {
            Known::Accepted { name } => Some(name),
            _ => None,
        }
    }

    /// True for the owner whose uid is asked for. Nothing of it is taken, and nothing is wrong.
    pub(super) fn is_candidate(&self, sender: &str) -> bool {
        matches!(&self.0, Known::Asked { name, .. } if name == sender)
    }

    /// True while an answer is waited for.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.0, Known::Nothing | Known::Asked { .. })
    }

    /// The name is owned by this connection now, or by none.
    pub(super) fn named(&mut self, owner: Option<&str>) -> Step {
        let Some(owner) = owner else {
            self.0 = Known::Absent;
            return Step::Left;
        };
        let left = match &self.0 {
            Known::Asked { name, .. } | Known::Accepted { name } if name == owner => return Step::None,
            Known::Accepted { .. } => true,
            _ => false,
        };
        self.0 = Known::Asked { name: owner.to_owned(), serial: None };
        Step::Ask { name: owner.to_owned(), left }
    }

    /// The question has this serial.
    pub(super) fn asked(&mut self, question: NonZeroU32) {
        if let Known::Asked { serial, .. } = &mut self.0 {
            *serial = Some(question);
        }
    }

    /// The answer to a question: `None` for one that no longer matters.
    pub(super) fn answered(
        &mut self,
        question: NonZeroU32,
        uid: Option<u32>,
        trusted: impl FnOnce(u32) -> bool,
    ) -> Option<Result<(), Absence>> {
        let Known::Asked { name, serial } = &mut self.0 else { return None };
        if *serial != Some(question) {
            return None;
        }
        let name = std::mem::take(name);
        let absence = match uid {
            Some(uid) if trusted(uid) => {
                self.0 = Known::Accepted { name };
                return Some(Ok(()));
            }
            Some(uid) => Absence::Untrusted { uid },
            None => Absence::Unknown,
        };
        self.0 = Known::Absent;
        Some(Err(absence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: fn(u32) -> bool = |uid| uid == 0;

    fn serial(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    fn asked(owner: &mut Owner, name: &str, number: u32) {
        assert!(matches!(owner.named(Some(name)), Step::Ask { .. }));
        owner.asked(serial(number));
        assert_eq!(owner.accepted(), None);
    }

    #[test]
    fn an_owner_is_accepted_after_its_uid_is_known() {
        let mut owner = Owner::default();
        asked(&mut owner, ":1.5", 7);
        assert_eq!(owner.answered(serial(8), Some(0), ROOT), None, "the answer to something else");
        assert_eq!(owner.answered(serial(7), Some(0), ROOT), Some(Ok(())));
        assert_eq!(owner.accepted(), Some(":1.5"));
        assert_eq!(owner.named(Some(":1.5")), Step::None, "the same once more");
        assert_eq!(owner.named(None), Step::Left);
        assert_eq!(owner.accepted(), None);
    }

    #[test]
    fn a_replaced_owner_is_not_taken_for_the_next_one() {
        let mut owner = Owner::default();
        asked(&mut owner, ":1.5", 7);
        assert_eq!(owner.answered(serial(7), Some(0), ROOT), Some(Ok(())));
        assert_eq!(owner.named(Some(":1.6")), Step::Ask { name: ":1.6".to_owned(), left: true });
        owner.asked(serial(8));
        asked(&mut owner, ":1.7", 9);
        assert_eq!(owner.answered(serial(8), Some(0), ROOT), None, "the one before it was root's");
        assert_eq!(owner.answered(serial(9), Some(1000), ROOT), Some(Err(Absence::Untrusted { uid: 1000 })));
        assert_eq!(owner.accepted(), None);
    }

    #[test]
    fn an_owner_that_left_before_the_answer_is_absent() {
        let mut owner = Owner::default();
        asked(&mut owner, ":1.5", 7);
        assert_eq!(owner.named(None), Step::Left);
        assert_eq!(owner.answered(serial(7), Some(0), ROOT), None);
        asked(&mut owner, ":1.6", 9);
        assert_eq!(owner.answered(serial(9), None, ROOT), Some(Err(Absence::Unknown)));
    }
}
