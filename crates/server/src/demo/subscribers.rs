//! Consoles beside the play: subscribers over HTTP, of all views and of areas of all levels. Some read slowly, some vanish and come back with their
//! `Last-Event-ID`. Each knows nothing but its stream, and must have what the view has at the end. They must never keep the play from going on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::future::join_all;
use muster_demo::{CITY, City};
use muster_log::{EpochPosition, Position};
use muster_proto::v1::AreaLevel;
use muster_views::{Filter, Page, View, ViewsHandle, row_json};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::screen::Screen;
use super::summary::Summary;

const NAME: &str = "subscribers_equal_views";
const SUBSCRIBERS: usize = 200;
/// They come when the first incident is declared: the tree and its people are there then.
const BEGINNING: &str = "DeclareIncident";
/// Every so many-th reads slowly, and every so many-th vanishes again and again; the others read as fast as they can.
const SLOW_EVERY: usize = 11;
const VANISHING_EVERY: usize = 7;
/// How long a slow one looks at what it got before it reads on.
const SLOW_PAUSE: Duration = Duration::from_millis(200);
/// Events after which a vanishing one is gone, and for how long.
const VANISHING_EVENTS: usize = 25;
const VANISHED: Duration = Duration::from_millis(100);
/// How long a stream may say nothing: heartbeats come far more often.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long one that was sent away waits, and how often it comes again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
const RETRIES_MAX: usize = 100;
/// Differences that are printed.
const DIFFERENCES_MAX: usize = 3;

/// A row by what it says: rows of the whole city, kept many times over, would be gigabytes.
type Digest = [u8; 32];
/// Rows by `realm/id`.
type Rows = BTreeMap<String, Digest>;

pub(super) fn digest(row: &Value) -> Digest {
    *blake3::hash(row.to_string().as_bytes()).as_bytes()
}

/// The first keys whose rows are not the same on both sides.
pub(super) fn differences(left: &Rows, right: &Rows) -> Vec<String> {
    let theirs = right.keys().filter(|key| !left.contains_key(*key));
    left.keys().filter(|key| left.get(*key) != right.get(*key)).chain(theirs).take(DIFFERENCES_MAX).cloned().collect()
}

/// The subscribers of one play.
pub(super) struct Subscribers {
    url: String,
    views: ViewsHandle,
    places: Vec<(View, String)>,
    /// Where the play ended, once it has.
    end: watch::Sender<Option<Position>>,
    reading: Vec<JoinHandle<Result<Reader, String>>>,
    snapshot: Option<Duration>,
}

impl Subscribers {
    /// None is there yet.
    pub(super) fn new(url: String, views: ViewsHandle, city: &City) -> Self {
        Self { url, views, places: places(city), end: watch::Sender::new(None), reading: Vec::new(), snapshot: None }
    }

    /// Lets them come if the command that follows begins the play's first incident.
    pub(super) async fn before(&mut self, command: &str, end: EpochPosition) {
        if command != BEGINNING || !self.reading.is_empty() {
            return;
        }
        // Views that have stopped answer nobody, which is what the subscribers will say.
        drop(self.views.wait_for(end.position).await);
        for (number, (view, area)) in self.places.iter().enumerate() {
            let (began, complete) = (Instant::now(), watch::Sender::new(false));
            let mut seen = complete.subscribe();
            let reader = Reader::new(&self.url, *view, area, Manner::of(number), complete);
            self.reading.push(tokio::spawn(reader.run(self.end.subscribe())));
            // The first has the whole city's coverage and the server to itself.
            if number == 0 {
                let whole = tokio::time::timeout(SILENCE_MAX, seen.wait_for(|complete| *complete)).await;
                self.snapshot = matches!(whole, Ok(Ok(_))).then(|| began.elapsed());
            }
        }
    }

    /// Once the play is over: everybody reads up to its end, and is held against the view.
    pub(super) async fn compare(self, summary: &mut Summary, screen: &mut Screen, end: EpochPosition) {
        screen.verifying("逐一核对实时订阅者", "comparing every live subscriber with its view");
        summary.figures.subscribers = self.reading.len();
        summary.figures.seconds_to_snapshot = self.snapshot.map(|took| took.as_secs_f64());
        if let Err(error) = self.views.wait_for(end.position).await {
            return summary.failed(NAME, &error.to_string());
        }
        self.end.send_replace(Some(end.position));
        let readers = join_all(self.reading).await;
        let views = self.views;
        let compared = tokio::task::spawn_blocking(move || Compared::of(&views, readers.into_iter().map(flat))).await;
        match compared {
            Ok(compared) => {
                summary.figures.resets = compared.resets;
                summary.add(NAME, compared.holds(), compared.figures());
            }
            Err(error) => summary.failed(NAME, &error.to_string()),
        }
    }
}

fn flat(read: Result<Result<Reader, String>, tokio::task::JoinError>) -> Result<Reader, String> {
    read.map_err(|error| error.to_string())?
}

/// What each subscribes to: the whole city's views first, then every view at areas of every level by turns.
fn places(city: &City) -> Vec<(View, String)> {
    let of_level = |level: AreaLevel| city.tree.areas.iter().filter(move |area| area.level == level).map(|area| area.id.clone()).collect();
    let levels = [AreaLevel::County, AreaLevel::Township, AreaLevel::Village, AreaLevel::Grid];
    let levels: [Vec<String>; 4] = levels.map(of_level);
    let mut places: Vec<_> = View::ALL.into_iter().map(|view| (view, CITY.to_owned())).collect();
    if let Some(coverage) = places.iter().position(|(view, _)| *view == View::Coverage) {
        places.swap(0, coverage);
    }
    for number in 0..SUBSCRIBERS - places.len() {
        let (view, round) = (View::ALL[number % View::ALL.len()], number / View::ALL.len());
        let areas = &levels[round % levels.len()];
        // Far apart in the tree: a prime steps through all of them.
        if let Some(area) = areas.get((round / levels.len() * 101 + number) % areas.len().max(1)) {
            places.push((view, area.clone()));
        }
    }
    places
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Quick,
    Slow,
    Vanishing,
}

impl Manner {
    const fn of(number: usize) -> Self {
        match number {
            0 => Self::Quick,
            _ if number.is_multiple_of(SLOW_EVERY) => Self::Slow,
            _ if number.is_multiple_of(VANISHING_EVERY) => Self::Vanishing,
            _ => Self::Quick,
        }
    }
}

/// One subscriber and what it has.
struct Reader {
    client: reqwest::Client,
    url: String,
    view: View,
    area: String,
    manner: Manner,
    rows: Rows,
    /// The last id that came: with it the reader comes back.
    id: Option<String>,
    /// Where that is.
    reached: Position,
    events: u64,
    connections: u64,
    resets: u64,
    complete: watch::Sender<bool>,
}

impl Reader {
    fn new(url: &str, view: View, area: &str, manner: Manner, complete: watch::Sender<bool>) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: format!("{url}/v1/views/{view}/live?realm=*&area={area}"),
            view,
            area: area.to_owned(),
            manner,
            rows: Rows::new(),
            id: None,
            reached: Position::ZERO,
            events: 0,
            connections: 0,
            resets: 0,
            complete,
        }
    }

    /// Reads until it has everything up to the play's end.
    async fn run(mut self, mut end: watch::Receiver<Option<Position>>) -> Result<Self, String> {
        loop {
            let mut response = self.connect().await?;
            let (mut buffer, mut read) = (BytesMut::new(), 0);
            loop {
                let chunk = tokio::time::timeout(SILENCE_MAX, response.chunk()).await;
                let Ok(Some(chunk)) = chunk.map_err(|_| self.said("the stream is silent"))? else { break };
                buffer.extend_from_slice(&chunk);
                while let Some(at) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                    let event = buffer.split_to(at + 2);
                    self.take(&String::from_utf8_lossy(&event)).map_err(|what| self.said(&what))?;
                    read += 1;
                }
                let over = *end.borrow();
                match (over, self.manner) {
                    (Some(over), _) if self.reached >= over => return Ok(self),
                    // Nobody dawdles when the play is over.
                    (None, Manner::Slow) => drop(tokio::time::timeout(SLOW_PAUSE, end.wait_for(Option::is_some)).await),
                    (None, Manner::Vanishing) if read >= VANISHING_EVENTS => break,
                    _ => {}
                }
            }
            drop(response);
            drop(tokio::time::timeout(VANISHED, end.wait_for(Option::is_some)).await);
        }
    }

    fn said(&self, what: &str) -> String {
        format!("{} of {}: {what}", self.view, self.area)
    }

    async fn connect(&mut self) -> Result<reqwest::Response, String> {
        let mut last = String::new();
        for _ in 0..RETRIES_MAX {
            let mut request = self.client.get(&self.url);
            match &self.id {
                Some(id) => request = request.header("Last-Event-ID", id),
                None => self.rows.clear(),
            }
            match request.send().await {
                Ok(response) if response.status() == StatusCode::OK => {
                    self.connections += 1;
                    return Ok(response);
                }
                Ok(response) => last = response.text().await.unwrap_or_default(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        Err(self.said(&last))
    }

    /// Takes in one event.
    fn take(&mut self, event: &str) -> Result<(), String> {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else { return Err(format!("it said {event:?}")) };
        let data: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        let key = |told: &Value| told["key"].as_str().map(str::to_owned).ok_or_else(|| format!("a row without a key: {told}"));
        self.events += 1;
        match kind {
            "snapshot" => {
                for told in data["rows"].as_array().into_iter().flatten() {
                    self.rows.insert(key(told)?, digest(&told["row"]));
                }
                if data["complete"] == true {
                    self.complete.send_replace(true);
                }
            }
            "change" => drop(self.rows.insert(key(&data)?, digest(&data["row"]))),
            "remove" => drop(self.rows.remove(&key(&data)?)),
            "reset" => {
                self.resets += 1;
                self.rows.clear();
                self.id = None;
            }
            "heartbeat" => {}
            other => return Err(format!("an event {other:?}")),
        }
        if let Some(id) = field("id: ") {
            let at: EpochPosition = id.parse().map_err(|_| format!("an id {id:?}"))?;
            self.reached = at.position;
            self.id = Some(id.to_owned());
        }
        Ok(())
    }
}

/// What the comparison found.
#[derive(Default)]
struct Compared {
    equal: usize,
    rows: usize,
    events: u64,
    connections: u64,
    resets: u64,
    /// What is wrong, and with whom.
    wrong: Vec<String>,
}

impl Compared {
    fn of(views: &ViewsHandle, readers: impl Iterator<Item = Result<Reader, String>>) -> Self {
        let mut compared = Self::default();
        for reader in readers {
            let same = reader.and_then(|reader| {
                compared.rows += reader.rows.len();
                compared.events += reader.events;
                compared.connections += reader.connections;
                compared.resets += reader.resets;
                let differences = differences(&reader.rows, &rows_of(views, reader.view, &reader.area)?);
                differences.is_empty().then_some(()).ok_or_else(|| reader.said(&differences.join(", ")))
            });
            match same {
                Ok(()) => compared.equal += 1,
                Err(reason) => compared.wrong.push(reason),
            }
        }
        compared
    }

    fn holds(&self) -> bool {
        self.equal > 0 && self.wrong.is_empty() && self.rows > 0 && self.connections > self.equal as u64
    }

    fn figures(&self) -> Value {
        json!({
            "equal": self.equal,
            "rows": self.rows,
            "events": self.events,
            "connections": self.connections,
            "resets": self.resets,
            "wrong": self.wrong.iter().take(DIFFERENCES_MAX).collect::<Vec<_>>(),
        })
    }
}

/// The rows of a view in an area, as they are now.
fn rows_of(views: &ViewsHandle, view: View, area: &str) -> Result<Rows, String> {
    let filter = Filter { realm: None, area: Some(area.to_owned()), any_of: None };
    let (mut rows, mut page) = (Rows::new(), Page::default());
    loop {
        let snapshot = views.snapshot(view, &filter, &page).map_err(|error| error.to_string())?;
        rows.extend(snapshot.rows.iter().map(|placed| {
            let key = format!("{}/{}", placed.row.realm(), placed.row.id());
            (key, digest(&row_json(&placed.row)))
        }));
        page.after = snapshot.next;
        if page.after.is_none() {
            return Ok(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use muster_demo::Scale;

    use super::*;

    #[test]
    fn all_views_and_levels_have_subscribers_of_every_manner() {
        let city = City::generate(1, Scale::Small);
        let places = places(&city);
        assert_eq!(places.len(), SUBSCRIBERS);
        assert_eq!(places[0], (View::Coverage, CITY.to_owned()));
        let level = |id: &str| city.tree.areas.iter().find(|area| area.id == id).unwrap().level;
        let seen: BTreeSet<_> = places.iter().map(|(view, area)| (view.name(), level(area) as i32)).collect();
        assert_eq!(seen.len(), View::ALL.len() * 5, "{seen:?}");
        for manner in [Manner::Slow, Manner::Vanishing] {
            let views: BTreeSet<_> = (0..SUBSCRIBERS).filter(|number| Manner::of(*number) == manner).map(|n| places[n].0.name()).collect();
            assert_eq!(views.len(), View::ALL.len(), "{manner:?}: {views:?}");
        }
    }

    #[test]
    fn what_a_stream_says_is_what_its_reader_has() {
        let mut reader = Reader::new("http://x", View::Units, "a", Manner::Quick, watch::Sender::new(false));
        let mut take = |text: &str| reader.take(text).map(|()| (reader.rows.keys().cloned().collect::<Vec<_>>(), reader.reached.0));
        take("event: snapshot\ndata: {\"rows\":[{\"key\":\"r/1\",\"row\":{}},{\"key\":\"r/2\",\"row\":{}}],\"complete\":false}\n\n")
            .unwrap();
        take("event: change\ndata: {\"key\":\"r/3\",\"row\":{}}\n\n").unwrap();
        let (rows, at) = take("id: 1.7\nevent: remove\ndata: {\"key\":\"r/1\"}\n\n").unwrap();
        assert_eq!((rows, at), (vec!["r/2".to_owned(), "r/3".to_owned()], 7));
        assert_eq!(take("event: reset\ndata: {}\n\n").unwrap().0, Vec::<String>::new());
        assert!(take("event: change\ndata: {}\n\n").is_err());
        assert!(take("event: news\ndata: {}\n\n").is_err());
        assert_eq!((reader.id, reader.resets), (None, 1), "after a reset it begins anew");
    }
}
