//! `live_held_idle`, `live_held_burst`: resident memory of the server for each subscriber that it holds, at rest and after a burst of commands; beside
//! a connection that is kept open without asking for anything. The clients are a process of their own, so that their memory is not the server's.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use muster_log::EpochPosition;
use muster_server::wiring::RunningServer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use crate::history::Duty;
use crate::kv::within;
use crate::limits;
use crate::live::{NAMES, areas, pace};
use crate::memory::resident_bytes;
use crate::progress::say;
use crate::row::{Better, Measured, Pair, Row};
use crate::setting::Setting;

/// What the first line of an answer begins with, and the first line of a stream that has all its rows.
const ANSWERED: &str = "HTTP/1.1 200";
const COMPLETE: &str = "id: ";

/// Both rows, of one round: the second would find the first one's memory.
pub(crate) async fn rows(setting: &Setting<'_>, server: &RunningServer, duties: &[Duty]) -> Result<Vec<Row>> {
    let wanted = setting.held_subscribers();
    let open = usize::try_from(muster_server::openfiles::raise()).unwrap_or(usize::MAX);
    let count = wanted.min(open.saturating_sub(limits::HELD_FILES_BESIDE) / 2);
    if count < wanted {
        say(&format!("only {open} files may be open: {count} subscribers instead of {wanted} (ulimit -Hn)"));
    }
    let paths = areas(&server.views, count)?.into_iter().map(|area| format!("/v1/views/coverage/live?area={area}"));
    let base = resident_bytes()?;
    let asked = Holder::start(setting, server, std::iter::repeat_n("/healthz".to_owned(), count), ANSWERED).await?;
    let with_connections = resident_bytes()?;
    let mut streams = Holder::start(setting, server, paths, COMPLETE).await?;
    // Past the first heartbeat, everything that was only there for the beginning is gone.
    tokio::time::sleep(limits::HELD_REST).await;
    let idle = resident_bytes()?;
    let commands = setting.live_commands();
    pace(server, duties, commands, true, "held").await?;
    streams.until(server.log.end()).await?;
    let after = resident_bytes()?;
    pace(server, duties, commands, false, "held-out").await?;
    streams.until(server.log.end()).await?;
    let each = |bytes: u64, before: u64| bytes.saturating_sub(before) as f64 / count as f64;
    let reference = each(with_connections, base);
    asked.end().await?;
    streams.end().await?;
    let row = |name, value, detail: String| {
        let pairs = &[Pair { value, reference }];
        let beside = "a connection of the same server that is kept open and asks for nothing more";
        Measured { name, unit: "bytes/subscriber", better: Better::Lower, reference: beside, aim: None, pairs, detail }.row()
    };
    let held = format!("{count} subscribers of the coverage of as many areas, held at the same time by another process");
    Ok(vec![
        row(NAMES[0], each(idle, with_connections), format!("{held}, all rows sent and nothing happening")),
        row(
            NAMES[1],
            each(after, with_connections),
            format!("{held}, all of them past {commands} check-ins; what the burst left in views and log is counted to them"),
        ),
    ])
}

/// The process that holds connections.
struct Holder {
    child: Child,
    input: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    /// Returns once every connection has a line that begins so.
    async fn start(setting: &Setting<'_>, server: &RunningServer, paths: impl Iterator<Item = String>, mark: &str) -> Result<Self> {
        let folder = setting.scratch.fresh("held");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("paths");
        std::fs::write(&file, paths.collect::<Vec<_>>().join("\n"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--hold").arg(&file).args(["--hold-at", &server.addr.to_string(), "--hold-mark", mark]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context("start a child")?;
        let input = child.stdin.take().context("the child has no input")?;
        let said = BufReader::new(child.stdout.take().context("the child has no output")?).lines();
        let mut holder = Self { child, input, said };
        holder.expect("held").await?;
        Ok(holder)
    }

    async fn expect(&mut self, word: &str) -> Result<()> {
        let said = within("the process that holds connections", async { Ok(self.said.next_line().await?) }).await?;
        ensure!(said.as_deref() == Some(word), "the child said {said:?} instead of {word:?}");
        Ok(())
    }

    /// Waits until every stream has said that it is there.
    async fn until(&mut self, end: EpochPosition) -> Result<()> {
        self.input.write_all(format!("{}\n", end.position).as_bytes()).await?;
        self.expect("reached").await
    }

    async fn end(mut self) -> Result<()> {
        drop(self.input);
        self.child.wait().await?;
        Ok(())
    }
}

/// The child's part.
pub(crate) fn hold(file: &Path, address: &str, mark: &str) -> Result<()> {
    muster_server::openfiles::raise();
    let paths = std::fs::read_to_string(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut held = Vec::new();
        let paths: Vec<&str> = paths.lines().collect();
        for some in paths.chunks(limits::HELD_AT_ONCE) {
            let mut begun = Vec::new();
            for path in some {
                begun.push(connection(address, path, mark).await?);
            }
            for reached in &mut begun {
                reached.wait_for(Option::is_some).await.context("a connection ended before it began")?;
            }
            held.append(&mut begun);
        }
        let mut asked = BufReader::new(tokio::io::stdin()).lines();
        print_line("held").await?;
        while let Some(line) = asked.next_line().await? {
            let position: u64 = line.trim().parse()?;
            for reached in &mut held {
                reached.wait_for(|at| at.is_some_and(|at| at >= position)).await.context("a connection ended")?;
            }
            print_line("reached").await?;
        }
        Ok(())
    })
}

async fn print_line(word: &str) -> Result<()> {
    let mut out = tokio::io::stdout();
    out.write_all(format!("{word}\n").as_bytes()).await?;
    Ok(out.flush().await?)
}

/// Asks, and reads whatever comes for as long as it comes. Tells the last position that an id had, from the mark on. A line of an event is never
/// cut: the server gives each as a chunk of its own.
async fn connection(address: &str, path: &str, mark: &str) -> Result<watch::Receiver<Option<u64>>> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let (told, reached) = watch::channel(None);
    let mark = mark.to_owned();
    tokio::spawn(async move {
        let (mut reader, mut line) = (BufReader::with_capacity(limits::HELD_READ_BYTES, socket), Vec::new());
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            let id = line.strip_prefix(b"id: ").and_then(|id| std::str::from_utf8(id).ok()?.trim().parse::<EpochPosition>().ok());
            if let Some(at) = id {
                told.send_replace(Some(at.position.0));
            } else if line.starts_with(mark.as_bytes()) {
                told.send_replace(Some(0));
            }
            line.clear();
        }
    });
    Ok(reached)
}
