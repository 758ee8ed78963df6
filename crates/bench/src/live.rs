//! `live_sse_p50`, `live_sse_p99`: from a command's durable answer until a subscriber over HTTP has the changed row, at a steady pace of commands and
//! with subscribers of areas of all levels; beside bare NATS from publish to subscription. `live_snapshot`: until a subscriber of the whole
//! city's coverage has all rows, beside the same rows as pages. The rows of `live_held` are in [`crate::held`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use muster_log::EpochPosition;
use muster_proto::CommandPort as _;
use muster_server::wiring::{RunningServer, Server, ServerOptions};
use muster_views::{Filter, Page, Row as ViewRow, View, ViewsHandle};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::history::{Duty, Histories, presence};
use crate::kv::{quantile, through_nats, within};
use crate::nats::NatsServer;
use crate::progress::show_round;
use crate::row::{Better, Measured, Pair, Row, Spread};
use crate::setting::Setting;
use crate::{held, limits};

pub(crate) const NAMES: [&str; 5] = ["live_held_idle", "live_held_burst", "live_sse_p50", "live_sse_p99", "live_snapshot"];

/// The rows of all three, of one server. Memory comes first, while nothing was freed that could be taken again.
pub(crate) fn run(setting: &Setting<'_>, histories: &mut Histories<'_>) -> Result<Vec<Row>> {
    let (converted, duties) = histories.converted()?;
    let data = setting.scratch.copy_of(&converted.data, "live")?;
    let nats = NatsServer::start(&setting.scratch.fresh("nats"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(ServerOptions::new(&data)).await?;
        server.views.wait_for(server.log.watermark()).await?;
        server.history.wait_for(server.log.watermark()).await?;
        let mut rows = held::rows(setting, &server, &duties).await?;
        let client = async_nats::connect(nats.url()).await?;
        rows.extend(latency(setting, &server, &duties, &client).await?);
        rows.push(snapshot(setting, &server).await?);
        server.shutdown().await;
        Ok(rows)
    })
}

/// So many areas: all from the city down to the townships, and of those below as many as there is room for, evenly spread.
pub(crate) fn areas(views: &ViewsHandle, count: usize) -> Result<Vec<String>> {
    let (mut areas, mut page) = (Vec::new(), Page::default());
    loop {
        let snapshot = views.snapshot(View::Coverage, &Filter::default(), &page)?;
        areas.extend(snapshot.rows.iter().filter_map(|placed| match &*placed.row {
            ViewRow::Coverage(row) => Some((row.level, row.area_id.clone())),
            _ => None,
        }));
        page.after = snapshot.next;
        if page.after.is_none() {
            break;
        }
    }
    areas.sort_unstable();
    let village = i32::from(muster_proto::v1::AreaLevel::Village);
    let above = areas.partition_point(|(level, _)| *level < village).min(count);
    let (high, low) = areas.split_at(above);
    ensure!(!high.is_empty() && !low.is_empty(), "the city has no areas");
    let spread = (0..count - above).map(|number| &low[number * low.len() / (count - above)]);
    Ok(high.iter().chain(spread).map(|(_, area)| area.clone()).collect())
}

/// Commands at a steady pace: everybody comes, or everybody leaves.
pub(crate) struct Paced {
    /// By person: the record, and when its answer came.
    answers: HashMap<String, (u64, Instant)>,
    /// Commands a second, up to the last answer.
    rate: f64,
}

/// Gives so many commands, each at its moment, whatever became of those before it.
pub(crate) async fn pace(server: &RunningServer, duties: &[Duty], count: usize, arrives: bool, round: &str) -> Result<Paced> {
    let (mut under_way, mut answers) = (JoinSet::new(), HashMap::with_capacity(count));
    let started = Instant::now();
    for (number, duty) in duties.iter().take(count).enumerate() {
        if number % limits::LIVE_TICK_COMMANDS == 0 {
            let due = started + Duration::from_secs_f64(number as f64 / limits::LIVE_PACE);
            tokio::time::sleep_until(due.into()).await;
        }
        while under_way.len() >= limits::DRIVE_WINDOW {
            let Some(done) = under_way.join_next().await else { break };
            let (id, answer): (String, (u64, Instant)) = done??;
            answers.insert(id, answer);
        }
        let (engine, request, id) = (server.engine.clone(), presence(duty, arrives, round), duty.responder_id.clone());
        under_way.spawn(async move {
            let answer = engine.submit(request).await?;
            Ok::<_, anyhow::Error>((id, (answer.last, Instant::now())))
        });
    }
    while let Some(done) = under_way.join_next().await {
        let (id, answer) = done??;
        answers.insert(id, answer);
    }
    ensure!(answers.len() == count, "{count} commands were given and {} answered", answers.len());
    let last = answers.values().map(|(_, at)| *at).max().unwrap_or(started);
    Ok(Paced { answers, rate: count as f64 / last.duration_since(started).as_secs_f64() })
}

async fn latency(setting: &Setting<'_>, server: &RunningServer, duties: &[Duty], client: &async_nats::Client) -> Result<Vec<Row>> {
    let count = setting.live_subscribers();
    let mut subscribers = Vec::with_capacity(count);
    for area in areas(&server.views, count)? {
        subscribers.push(Subscriber::begin(&server.url(), &area).await?);
    }
    let (mut halves, mut tails, mut rates, mut seen) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..=setting.rounds {
        show_round(NAMES[2], round, setting.rounds);
        let paced = pace(server, duties, setting.live_commands(), round % 2 == 0, &format!("live{round}")).await?;
        let end = server.log.watermark().0;
        let mut times = Vec::new();
        for (number, subscriber) in subscribers.iter_mut().enumerate() {
            let told = within("a subscriber", subscriber.until(end)).await?;
            let found = paced.told_after(told);
            ensure!(number > 0 || found.len() == paced.answers.len(), "the city's subscriber was told of {} people", found.len());
            times.extend(found);
        }
        let bare = within("bare messages", through_nats(client, limits::LIVE_BARE_MESSAGES)).await?;
        if round > 0 {
            halves.push(Pair { value: quantile(&mut times, 0.5), reference: quantile(&mut bare.clone(), 0.5) });
            tails.push(Pair { value: quantile(&mut times, 0.99), reference: quantile(&mut bare.clone(), 0.99) });
            rates.push(paced.rate);
            seen += times.len();
        }
    }
    let rate = Spread::of(rates);
    let kept = if rate.min < 0.95 * limits::LIVE_PACE { "THE PACE COULD NOT BE KEPT" } else { "the pace was kept" };
    let detail = format!(
        "{} check-ins a round at {} a second, {:.0} reached ({:.0}–{:.0}): {kept}; {count} subscribers over HTTP in this process, told of {} changes a round; rows are merged for 100 ms",
        setting.live_commands(),
        limits::LIVE_PACE,
        rate.median,
        rate.min,
        rate.max,
        seen / setting.rounds
    );
    let row = |name, pairs: &[Pair]| {
        let reference = "bare NATS, from publish to one subscription, one message after the other";
        Measured { name, unit: "ms", better: Better::Lower, reference, aim: None, pairs, detail: detail.clone() }.row()
    };
    Ok(vec![row(NAMES[2], &halves), row(NAMES[3], &tails)])
}

impl Paced {
    /// Milliseconds after the answer, of each person of whose new row somebody was told. What was told before the answer came took none.
    fn told_after(&self, told: Vec<(String, u64, Instant)>) -> Vec<f64> {
        let mut first: HashMap<String, Instant> = HashMap::new();
        for (id, position, at) in told {
            if self.answers.get(&id).is_some_and(|(record, _)| position >= *record) {
                first.entry(id).or_insert(at);
            }
        }
        first.iter().map(|(id, at)| at.saturating_duration_since(self.answers[id].1).as_secs_f64() * 1_000.0).collect()
    }
}

/// A person whose row changed, the record, and when that was told.
type Told = Vec<(String, u64, Instant)>;

/// A subscriber of the people of an area.
struct Subscriber {
    reached: watch::Receiver<u64>,
    told: Arc<parking_lot::Mutex<Told>>,
    reading: JoinHandle<Result<()>>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Subscriber {
    /// Connects, and returns once all rows are there.
    async fn begin(server: &str, area: &str) -> Result<Self> {
        let mut stream = Events::open(&format!("{server}/v1/views/responders/live?area={area}")).await?;
        let (reach, mut reached) = watch::channel(0);
        let told = Arc::<parking_lot::Mutex<Told>>::default();
        let noted = Arc::clone(&told);
        let reading = tokio::spawn(async move {
            loop {
                let event = stream.next().await?;
                let at = Instant::now();
                if event.kind == "change" {
                    let change: Change<'_> = serde_json::from_str(&event.data)?;
                    noted.lock().push((change.row.responder_id.to_owned(), change.row.position.parse()?, at));
                }
                if let Some(at) = event.id {
                    reach.send_replace(at.position.0);
                }
            }
        });
        within("a snapshot", async { Ok(reached.wait_for(|at| *at > 0).await.map(drop)?) }).await?;
        Ok(Self { reached, told, reading })
    }

    /// What was told since, once everything up to a place was.
    async fn until(&mut self, position: u64) -> Result<Told> {
        self.reached.wait_for(|at| *at >= position).await.context("a subscriber's stream has ended")?;
        Ok(std::mem::take(&mut self.told.lock()))
    }
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    row: Person<'a>,
}

#[derive(Deserialize)]
struct Person<'a> {
    responder_id: &'a str,
    position: &'a str,
}

/// A stream of events over HTTP.
struct Events {
    response: reqwest::Response,
    buffer: BytesMut,
    /// So much of it was looked through.
    looked: usize,
}

struct Event {
    id: Option<EpochPosition>,
    kind: String,
    data: String,
}

impl Events {
    async fn open(url: &str) -> Result<Self> {
        let response = reqwest::Client::new().get(url).send().await?.error_for_status()?;
        Ok(Self { response, buffer: BytesMut::new(), looked: 0 })
    }

    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(at) = self.buffer[self.looked..].windows(2).position(|pair| pair == b"\n\n") {
                let block = self.buffer.split_to(self.looked + at + 2);
                self.looked = 0;
                let text = std::str::from_utf8(&block)?;
                let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
                let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else { bail!("the stream said {text:?}") };
                let id = field("id: ").map(str::parse).transpose()?;
                return Ok(Event { id, kind: kind.to_owned(), data: data.to_owned() });
            }
            self.looked = self.buffer.len().saturating_sub(1);
            let chunk = self.response.chunk().await?.context("the stream has ended")?;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

async fn snapshot(setting: &Setting<'_>, server: &RunningServer) -> Result<Row> {
    let city = areas(&server.views, 1)?.remove(0);
    let mut pairs = Vec::new();
    let mut count = 0;
    for round in 0..=setting.rounds {
        show_round(NAMES[4], round, setting.rounds);
        let started = Instant::now();
        count = within("a snapshot", subscribed(&server.url(), &city)).await?;
        let value = started.elapsed().as_secs_f64() * 1_000.0;
        let started = Instant::now();
        let paged = within("the pages", paged(&server.url(), &city)).await?;
        let reference = started.elapsed().as_secs_f64() * 1_000.0;
        ensure!(count == paged && count > 0, "the snapshot has {count} rows, the pages {paged}");
        if round > 0 {
            pairs.push(Pair { value, reference });
        }
    }
    let measured = Measured {
        name: NAMES[4],
        unit: "ms",
        better: Better::Lower,
        reference: "the same rows as pages of GET /v1/views/coverage",
        aim: None,
        pairs: &pairs,
        detail: format!("{count} rows, from the request until the last is there"),
    };
    Ok(measured.row())
}

/// Rows until the snapshot is complete.
async fn subscribed(server: &str, area: &str) -> Result<usize> {
    let mut stream = Events::open(&format!("{server}/v1/views/coverage/live?area={area}")).await?;
    let mut rows = 0;
    loop {
        let event = stream.next().await?;
        if event.kind == "snapshot" {
            let data: Value = serde_json::from_str(&event.data)?;
            rows += data["rows"].as_array().map_or(0, Vec::len);
            if data["complete"] == true {
                return Ok(rows);
            }
        }
    }
}

async fn paged(server: &str, area: &str) -> Result<usize> {
    let (client, mut rows, mut cursor) = (reqwest::Client::new(), 0, String::new());
    loop {
        let url = format!("{server}/v1/views/coverage?area={area}&limit=10000&cursor={cursor}");
        let page: Value = client.get(url).send().await?.error_for_status()?.json().await?;
        rows += page["rows"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(rows),
        }
    }
}
