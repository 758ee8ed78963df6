//! The logs that the rows are measured on, made through the real gateway and engine on a real disk: one after the other,
//! each a data folder as the server has it. Made once, when a row first needs it, and never written to again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use muster_demo::{City, Scale, Voice};
use muster_engine::{Engine, EngineHandle, EngineOptions};
use muster_log::{Log, OpenOptions, Position, RocksLog};
use muster_proto::{Command, Event, Request, decode, v1};
use muster_server::descriptors::Descriptors;
use muster_server::gateway::Gateway;
use muster_server::wiring::{LOG_DIR, STATE_DIR, VAULT_DIR};
use muster_vault::{SeededEntropy, Vault, VaultOptions};

use crate::folder::Scratch;
use crate::limits;
use crate::plans;
use crate::progress::say;
use crate::requests::{drive, request, sealed};

/// Every city of the benches is this one.
const SEED: u64 = 2_026;

/// Parts of the demo's peacetime that the benches play: everything but absences, reserves and the demo's own plans, so that
/// everybody can be seated.
const SECTIONS: [&str; 6] = ["areas", "zones", "organizations", "ties", "responders", "reports to communities"];

/// A person's post after the conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duty {
    pub(crate) call_id: String,
    pub(crate) responder_id: String,
    pub(crate) site_id: String,
}

/// A data folder that nobody has open, and where its log ends.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) data: PathBuf,
    pub(crate) end: u64,
}

/// A log with its engine, open.
pub(crate) struct Running {
    pub(crate) log: Arc<RocksLog>,
    pub(crate) engine: EngineHandle,
}

impl Running {
    /// Opens log and engine of a data folder as the server does.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        let log = Arc::new(open_log(data)?);
        let options = EngineOptions { state_dir: Some(data.join(STATE_DIR)), ..EngineOptions::default() };
        let engine = Engine::start(Arc::clone(&log) as Arc<dyn Log>, options)?;
        Ok(Self { log, engine })
    }

    /// Ends engine and log in order. Returns where the log ends.
    pub(crate) fn end(self) -> Result<u64> {
        let Self { log, engine } = self;
        let ended = engine.shutdown().wait()?;
        ensure!(ended.snapshot == Some(ended.end.position), "the engine ended without a snapshot of its last state");
        // The handle holds the log as well.
        drop(engine);
        log.close();
        drop(Arc::into_inner(log).context("somebody still holds the log")?);
        Ok(ended.end.position.0)
    }
}

/// Opens the log of a data folder.
pub(crate) fn open_log(data: &Path) -> Result<RocksLog> {
    let dir = data.join(LOG_DIR);
    RocksLog::open(&dir, OpenOptions::default()).with_context(|| format!("open the log in {}", dir.display()))
}

/// The histories, made when needed.
pub(crate) struct Histories<'a> {
    scratch: &'a Scratch,
    records: u64,
    roster: Option<Stage>,
    largest: Option<Stage>,
    converted: Option<(Stage, Arc<[Duty]>)>,
    full: Option<Stage>,
}

impl<'a> Histories<'a> {
    /// None is made yet. The longest will have `records` records.
    pub(crate) const fn new(scratch: &'a Scratch, records: u64) -> Self {
        Self { scratch, records, roster: None, largest: None, converted: None, full: None }
    }

    /// The city in peacetime: tree, organizations, 42,000 people, plans that seat them all, an incident declared.
    pub(crate) fn roster(&mut self) -> Result<Stage> {
        if let Some(stage) = &self.roster {
            return Ok(stage.clone());
        }
        let stage = self.peacetime(Scale::City, limits::PEOPLE, "roster")?;
        self.roster = Some(stage.clone());
        Ok(stage)
    }

    /// The same with 100,000 people.
    pub(crate) fn largest(&mut self) -> Result<Stage> {
        if let Some(stage) = &self.largest {
            return Ok(stage.clone());
        }
        let stage = self.peacetime(Scale::Stress, limits::PEOPLE_LARGEST, "roster-largest")?;
        self.largest = Some(stage.clone());
        Ok(stage)
    }

    fn peacetime(&self, scale: Scale, people: usize, folder: &str) -> Result<Stage> {
        let started = Instant::now();
        let city = City::generate(SEED, scale);
        ensure!(city.responders.len() == people, "the city has {} people", city.responders.len());
        let data = self.scratch.fresh(folder);
        let running = Running::start(&data)?;
        {
            let vault = Vault::open(&data.join(VAULT_DIR), VaultOptions::new(Box::new(SeededEntropy::new(SEED))))?;
            let gateway = Gateway::new(Arc::new(vault), Arc::new(Descriptors::read()));
            for section in city.peacetime_sections() {
                if SECTIONS.contains(&section.en) {
                    let mut commands = section.commands.peekable();
                    while commands.peek().is_some() {
                        drive(&running.engine, sealed(&gateway, commands.by_ref().take(limits::SEAL_CHUNK))?)?;
                    }
                }
            }
        }
        drive(&running.engine, plans::commands(&city))?;
        drive(&running.engine, [plans::declare()])?;
        let stage = Stage { data, end: running.end()? };
        say(&format!("{folder}: {} records in {:.1} s", stage.end, started.elapsed().as_secs_f64()));
        Ok(stage)
    }

    /// The same city converted by one command, every call accepted; and who has which post.
    pub(crate) fn converted(&mut self) -> Result<(Stage, Arc<[Duty]>)> {
        if let Some((stage, duties)) = &self.converted {
            return Ok((stage.clone(), Arc::clone(duties)));
        }
        let roster = self.roster()?;
        let started = Instant::now();
        let data = self.scratch.copy_of(&roster.data, "converted")?;
        let running = Running::start(&data)?;
        drive(&running.engine, [plans::convert()])?;
        let duties: Arc<[Duty]> = duties(&*running.log, roster.end + 1)?.into();
        ensure!(duties.len() == limits::PEOPLE, "the conversion called {} people", duties.len());
        drive(&running.engine, duties.iter().map(accept))?;
        let stage = Stage { data, end: running.end()? };
        say(&format!("converted: {} records in {:.1} s", stage.end, started.elapsed().as_secs_f64()));
        self.converted = Some((stage.clone(), Arc::clone(&duties)));
        Ok((stage, duties))
    }

    /// The same after days of shifts: everybody comes and goes by turns, until there are enough records. Ends while all
    /// are on post.
    pub(crate) fn full(&mut self) -> Result<Stage> {
        if let Some(stage) = &self.full {
            return Ok(stage.clone());
        }
        let (converted, duties) = self.converted()?;
        let started = Instant::now();
        let data = self.scratch.copy_of(&converted.data, "full")?;
        let running = Running::start(&data)?;
        let mut turn = 0;
        while turn % 2 == 0 || running.log.watermark().0 < self.records {
            drive(&running.engine, duties.iter().map(|duty| presence(duty, turn % 2 == 0, &format!("h{turn}"))))?;
            turn += 1;
        }
        let stage = Stage { data, end: running.end()? };
        ensure!(stage.end >= self.records, "the history ends at {}", stage.end);
        say(&format!("history: {} records in {:.1} s", stage.end, started.elapsed().as_secs_f64()));
        self.full = Some(stage.clone());
        Ok(stage)
    }
}

impl Histories<'_> {
    /// The same history going on until there are so many records.
    pub(crate) fn longest(&mut self, records: u64) -> Result<Stage> {
        let full = self.full()?;
        if full.end >= records {
            return Ok(full);
        }
        let (_, duties) = self.converted()?;
        let started = Instant::now();
        let data = self.scratch.copy_of(&full.data, "longest")?;
        let running = Running::start(&data)?;
        let mut turn = 1;
        while running.log.watermark().0 < records {
            drive(&running.engine, duties.iter().map(|duty| presence(duty, turn % 2 == 0, &format!("l{turn}"))))?;
            turn += 1;
        }
        let stage = Stage { data, end: running.end()? };
        say(&format!("longest: {} records in {:.1} s", stage.end, started.elapsed().as_secs_f64()));
        Ok(stage)
    }
}

/// Who was called where by the records from `from` on.
fn duties(log: &dyn Log, from: u64) -> Result<Vec<Duty>> {
    let mut duties = BTreeMap::new();
    let mut next = Position(from);
    loop {
        let records = log.read(next, 1 << 20, 4_096)?;
        let Some(last) = records.last().map(|record| record.position) else { break };
        for record in &records {
            if let Some(Event::ResponderCalled(called)) = decode(&record.bytes)?.event {
                let duty = Duty { call_id: called.call_id, responder_id: called.responder_id, site_id: called.site_id };
                ensure!(duties.insert(duty.responder_id.clone(), duty).is_none(), "somebody was called twice");
            }
        }
        next = last.next();
    }
    Ok(duties.into_values().collect())
}

fn accept(duty: &Duty) -> Request {
    let body = v1::AcceptCall { call_id: duty.call_id.clone(), estimated_arrival_ms: 0 };
    request(&Voice::responder(&duty.responder_id), format!("b-accept-{}", duty.call_id), Command::AcceptCall(body))
}

/// A check-in or check-out of a person at the own post. `round` makes the command's id one of its kind.
pub(crate) fn presence(duty: &Duty, arrives: bool, round: &str) -> Request {
    let (responder_id, site_id) = (duty.responder_id.clone(), duty.site_id.clone());
    let command = if arrives {
        Command::CheckIn(v1::CheckIn { responder_id, site_id, ..v1::CheckIn::default() })
    } else {
        Command::CheckOut(v1::CheckOut { responder_id, site_id, ..v1::CheckOut::default() })
    };
    request(&Voice::responder(&duty.responder_id), format!("{round}-{}", duty.responder_id), command)
}
