//! The same program when its view has another version, which counts everybody whose specialties are known under `any` as well: for the test of what
//! becomes of rows that the first version made.

use std::process::ExitCode;
use std::time::Duration;

use muster_example_view::{SpecialtiesOnPost, SpecialtyRow};
use muster_proto::Event;
use muster_proto::v1::Envelope;
use muster_views::{Rows, ViewFold};
use serde::{Deserialize, Serialize};

/// Milliseconds that the fold takes for each record. No fold of a program that is used may wait; a test does, to kill it in the middle.
const SLOW_MS: &str = "MUSTER_EXAMPLE_SLOW_MS";

#[derive(Default, Serialize, Deserialize)]
struct SecondVersion(SpecialtiesOnPost);

impl ViewFold for SecondVersion {
    const NAME: &'static str = SpecialtiesOnPost::NAME;
    const VERSION: u32 = SpecialtiesOnPost::VERSION + 1;
    const ABOUT_PERSONS: bool = false;
    type Row = SpecialtyRow;

    fn apply(&mut self, record: &Envelope, rows: &mut Rows<SpecialtyRow>) {
        if let Some(slow_ms) = std::env::var(SLOW_MS).ok().and_then(|text| text.parse().ok()) {
            std::thread::sleep(Duration::from_millis(slow_ms));
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
