//! The delivery service's desk in this server: the log it reads, what a call is like now, the vault for the fields that a rule names, and the
//! engine for what became of a message. It follows nothing itself and must never decide what is sent.

mod desk;

use std::path::Path;
use std::sync::Arc;

use muster_delivery::{Deliveries, Delivery, PlaceError};
use muster_engine::EngineHandle;
use muster_log::Log;
use muster_vault::Vault;
use muster_views::ViewsHandle;

use crate::access::Links;
use crate::gateway::Gateway;
use crate::http::Enrollments;

/// Where the channels' places and dead letters lie in the data folder.
pub(crate) const DELIVERY_DIR: &str = "delivery";

/// Who is answerable for what the service records.
pub(crate) const PRINCIPAL: &str = "muster:delivery";

/// What the desk is made of.
pub(crate) struct Parts {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) engine: EngineHandle,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) views: ViewsHandle,
    pub(crate) links: Arc<Links>,
    pub(crate) enrollments: Arc<Enrollments>,
    /// What links and the address of receipts begin with.
    pub(crate) public_url: String,
    pub(crate) utc_offset_minutes: i16,
}

/// Starts a lane for each channel; none where none is configured. Blocks while it reads what was unfinished.
pub(crate) fn start(data: &Path, delivery: &Delivery, parts: Parts) -> Result<Deliveries, PlaceError> {
    Deliveries::start(&data.join(DELIVERY_DIR), delivery, Arc::new(desk::ServerDesk::new(parts, delivery)))
}
