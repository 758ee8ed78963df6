//! A subscriber of a view over server-sent events, as a console is one: it knows nothing but what its stream says, comes back with the last id that it
//! was given, and can be slow, stuck or gone for a while. What it has is held against the view by whoever asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::limits::{PROBE_MAX, READER_VANISHES_AFTER, RELAY_MAX, RETRY_MAX};
use crate::stage::Ledger;
use crate::wait;

/// How it reads while there is load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Whatever comes.
    Quick,
    /// A piece for each command that is answered.
    Slow,
    /// Not at all, with the connection open.
    Stuck,
    /// Breaks the connection off again and again.
    Vanishing,
}

/// What it has.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Rows by key.
    pub rows: BTreeMap<String, Value>,
    /// The last id: everything up to there is in the rows.
    pub at: Option<String>,
    /// Connections so far.
    pub connections: u64,
    /// How often it was told to begin anew.
    pub resets: u64,
    /// How often it came back with an id and went on from there.
    pub resumed: u64,
    /// It came back with an id, and has not been told anything yet.
    asked: bool,
}

/// A subscriber at work, until it is dropped.
pub struct Reader {
    url: String,
    path: String,
    manner: Manner,
    held: Arc<Mutex<Held>>,
    task: JoinHandle<()>,
    failed: Arc<Mutex<Option<String>>>,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {:?} reader of {} at {}", self.manner, self.path, self.url)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Subscribes to a view of an area in all realms. It reads in its manner until `calm` says so, and then whatever comes.
    #[must_use]
    pub fn start(url: &str, view: impl fmt::Display, area: &str, manner: Manner, ledger: Arc<Ledger>, calm: watch::Receiver<bool>) -> Self {
        let path = format!("/v1/views/{view}/live?realm=*&area={area}");
        let (held, failed) = (Arc::<Mutex<Held>>::default(), Arc::<Mutex<Option<String>>>::default());
        let line = Line { url: format!("{url}{path}"), manner, ledger, calm, held: Arc::clone(&held) };
        let told = Arc::clone(&failed);
        let task = tokio::spawn(async move {
            if let Err(error) = line.read().await {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
            }
        });
        Self { url: url.to_owned(), path, manner, held, task, failed }
    }

    /// How it reads.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        self.manner
    }

    /// What it has now.
    ///
    /// # Errors
    /// It could not go on: the server was away for too long, or said what no server says.
    pub fn held(&self) -> Result<Held> {
        if let Some(failed) = &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            bail!("{self}: {failed}");
        }
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Waits until it is where the view is, and holds all its rows against `asked`, which asks for place and rows.
    ///
    /// # Errors
    /// It does not get there, or has other rows there.
    pub async fn equals<Answer: Future<Output = Result<(String, Vec<Value>)>>>(&self, asked: impl Fn() -> Answer) -> Result<()> {
        let sorted = |mut rows: Vec<Value>| {
            rows.sort_by_cached_key(Value::to_string);
            rows
        };
        wait::until_async(&format!("{self} has come to where the view is"), RELAY_MAX, || async {
            let Ok((at, wanted)) = asked().await else { return Ok(None) };
            let held = self.held()?;
            if held.at.as_deref() != Some(&*at) {
                return Ok(None);
            }
            let rows = held.rows.into_values().collect();
            ensure!(sorted(rows) == sorted(wanted), "{self} has other rows at {at} than the view");
            Ok(Some(()))
        })
        .await
    }
}

/// The reader's own side.
struct Line {
    url: String,
    manner: Manner,
    ledger: Arc<Ledger>,
    calm: watch::Receiver<bool>,
    held: Arc<Mutex<Held>>,
}

impl Line {
    async fn read(mut self) -> Result<()> {
        loop {
            let mut response = self.connect().await?;
            let (mut text, mut events) = (Vec::new(), 0);
            // A connection that breaks is made anew.
            while let Ok(Some(chunk)) = response.chunk().await {
                text.extend_from_slice(&chunk);
                while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                    let event: Vec<u8> = text.drain(..end + 2).collect();
                    self.take(std::str::from_utf8(&event)?)?;
                    events += 1;
                }
                if !self.goes_on(events).await {
                    break;
                }
            }
        }
    }

    /// Waits as its manner says; whether it keeps the connection.
    async fn goes_on(&mut self, events: usize) -> bool {
        if *self.calm.borrow() {
            return true;
        }
        match self.manner {
            Manner::Quick => {}
            Manner::Vanishing => return events < READER_VANISHES_AFTER,
            Manner::Stuck => drop(self.calm.wait_for(|calm| *calm).await),
            Manner::Slow => {
                let (answered, calm) = (self.ledger.answered(), self.calm.clone());
                let look = || Ok((self.ledger.answered() > answered || *calm.borrow()).then_some(()));
                drop(wait::until("one more answer", RETRY_MAX, look).await);
            }
        }
        true
    }

    /// A server that is killed, starting or catching up is asked again.
    async fn connect(&self) -> Result<reqwest::Response> {
        let client = reqwest::Client::builder().connect_timeout(PROBE_MAX).build()?;
        let response = wait::until_async("the stream begins", RETRY_MAX, || async {
            let mut asked = client.get(&self.url);
            let id = self.held().at.clone();
            match &id {
                Some(id) => asked = asked.header("Last-Event-ID", id),
                None => self.held().rows.clear(),
            }
            Ok(asked.send().await.ok().filter(|response| response.status() == StatusCode::OK))
        });
        let response = response.await?;
        let mut held = self.held();
        held.connections += 1;
        held.asked = held.at.is_some();
        drop(held);
        Ok(response)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: &str) -> Result<()> {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let kind = field("event: ").with_context(|| format!("an event without a kind: {event:?}"))?;
        let data: Value = serde_json::from_str(field("data: ").with_context(|| format!("an event without data: {event:?}"))?)?;
        let key = |told: &Value| told["key"].as_str().map(str::to_owned).with_context(|| format!("a row without a key: {told}"));
        let mut held = self.held();
        held.resumed += u64::from(std::mem::take(&mut held.asked) && kind != "reset");
        match kind {
            "snapshot" => {
                for told in data["rows"].as_array().context("a snapshot has rows")? {
                    held.rows.insert(key(told)?, told["row"].clone());
                }
            }
            "change" => drop(held.rows.insert(key(&data)?, data["row"].clone())),
            "remove" => drop(held.rows.remove(&key(&data)?)),
            "reset" => {
                held.resets += 1;
                held.rows.clear();
                held.at = None;
            }
            "heartbeat" => {}
            other => bail!("an event {other:?}"),
        }
        if let Some(id) = field("id: ") {
            held.at = Some(id.to_owned());
        }
        Ok(())
    }
}
