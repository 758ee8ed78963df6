//! Who may do what: principals with roles bound to scopes, one table of rights, and one function that answers.
//!
//! It is pure: what a request touches comes in as data, the answer goes out as data. It must never look anything up, and
//! never know how a principal proved who it is.

mod denial;
mod may;
mod principal;
mod reading;
mod role;
mod table;

pub use denial::Denial;
pub use may::{Action, Granted, Opened, may};
pub use principal::{Grant, GrantFault, Principal, Scope};
pub use reading::{Bounds, Reach, reach, reach_by};
pub use role::{Role, UnknownRole};
pub use table::{Right, command_right, commands, reads, view_right, views};
