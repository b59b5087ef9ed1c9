//! Who may use whose record: the one place where that is decided.

use crate::ids::OwnerId;

/// What somebody wants to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// See what it says, and the bytes that it names.
    Read,
    /// Change it, or go on with what it has begun.
    Change,
}

/// Whether `caller` has this right to a record of `owner`.
pub fn has_right(caller: &OwnerId, owner: &OwnerId, right: Right) -> bool {
    match right {
        Right::Read | Right::Change => caller == owner,
    }
}

/// Whether two records are one owner's. What is shared between records (bytes, a message) is shared within one owner's only.
pub fn is_same_owner(one: &OwnerId, other: &OwnerId) -> bool {
    one == other
}
