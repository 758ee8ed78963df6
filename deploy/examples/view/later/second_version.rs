//! The same program when its view has another version, which counts everybody whose specialties are known under `any` as well: for the test of what
//! becomes of rows that the first version made.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use muster_example_view::{SpecialtiesOnPost, SpecialtyRow};
use muster_proto::Event;
use muster_proto::v1::Envelope;
use muster_views::{Rows, ViewFold};
use serde::{Deserialize, Serialize};

/// The address of whoever holds the fold at its first check-in, for as long as they keep its connection. No fold of a program that is used may wait;
/// this one does, for a test that looks at it and kills it in the middle.
const HELD_BY: &str = "MUSTER_EXAMPLE_HELD_BY";

static RELEASED: AtomicBool = AtomicBool::new(false);

fn wait_for_release() {
    if let Some(mut holder) = std::env::var(HELD_BY).ok().and_then(|address| TcpStream::connect(address).ok()) {
        // However the connection ends, it goes on.
        let _ = holder.read(&mut [0]);
    }
    RELEASED.store(true, Ordering::Relaxed);
}

#[derive(Default, Serialize, Deserialize)]
struct SecondVersion(SpecialtiesOnPost);

impl ViewFold for SecondVersion {
    const NAME: &'static str = SpecialtiesOnPost::NAME;
    const VERSION: u32 = SpecialtiesOnPost::VERSION + 1;
    const ABOUT_PERSONS: bool = false;
    type Row = SpecialtyRow;

    fn apply(&mut self, record: &Envelope, rows: &mut Rows<SpecialtyRow>) {
        if matches!(record.event, Some(Event::CheckedIn(_))) && !RELEASED.load(Ordering::Relaxed) {
            wait_for_release();
        }
        let mut record = record.clone();
        match &mut record.event {
            Some(Event::ResponderEnrolled(enrolled)) => enrolled.specialties.push("any".to_owned()),
            Some(Event::SpecialtiesSet(set)) => set.specialties.push("any".to_owned()),
            _ => {}
        }
        self.0.apply(&record, rows);
    }
}

fn main() -> ExitCode {
    muster_server::Muster::new().view::<SecondVersion>().run()
}
