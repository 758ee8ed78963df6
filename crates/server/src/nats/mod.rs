//! The configuration of a nats-server that keeps each user to the own jurisdiction: read the users, find their areas, say
//! what each may do, write it. Pure but for [`users::keys`]; the table of rights is `muster-access`'s, and nothing here
//! may give anybody what HTTP would refuse.
//!
//! # Why every user has an account
//! nats-server checks what a client publishes to, but not where it asks the answer to be sent. A user who may ask JetStream
//! for anything can have the answer written to `muster.evt.…` or into a bucket, whatever the permissions say: JetStream itself
//! is who writes it. An account ends that: an answer goes back over its border to the account that asked, where no stream
//! listens. So the imports of an account are the rights of its user, and there is nothing else in it.

mod conf;
mod rights;
mod tree;
pub mod users;

pub use conf::{Layout, generate};
pub use rights::{BUCKETS, CONSUMERS_EACH, Rights, consumer_names};
pub use tree::{Tree, TreeFault};
pub use users::{NatsUser, Users, UsersFault};
