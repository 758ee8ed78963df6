//! `muster doctor`: examines a data folder that no server uses, says what is wrong in words, and accepts what a person has
//! decided to accept. Without a flag it changes nothing.

use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use muster_log::{AcceptedLoss, Log as _, OpenOptions, Position, RocksLog, Unit};
use muster_proto::{CommonPart, EnvelopeEncoder, Event, RecordPart, v1};
use muster_vault::{OsEntropy, Vault, VaultOptions};
use muster_views::{HistoryStore, ViewStore};

use super::args::DoctorArgs;
use super::error::CliError;
use super::print;
use crate::clockmark;
use crate::http::wall_ms;
use crate::limits;
use crate::startup::StartError;
use crate::wiring::{HISTORY_DIR, LOG_DIR, VAULT_DIR, VIEWS_DIR};
use crate::words::{Lang, Words};

/// What was found, line by line.
struct Report {
    lang: Lang,
    healthy: bool,
}

impl Report {
    fn good(&self, zh: &str, en: &str) {
        print::line(&format!("✓ {}", if self.lang == Lang::Zh { zh } else { en }));
    }

    fn bad(&mut self, words: &Words) {
        self.healthy = false;
        print::line(&format!("✗ {}", words.get(self.lang)));
    }
}

pub(super) fn run(args: &DoctorArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let start = |error: StartError| CliError::from(&error);
    let log_dir = args.data.join(LOG_DIR);
    let options = || OpenOptions { create: false, ..OpenOptions::default() };
    let accepted =
        if args.accept_loss { Some(muster_log::accept_loss(&log_dir, &options()).map_err(|error| start(error.into()))?) } else { None };
    let log = RocksLog::open(&log_dir, options()).map_err(|error| start(error.into()))?;
    let mut report = Report { lang, healthy: true };
    if let Some(accepted) = &accepted {
        note_loss(&log, accepted)?;
        say_loss(&report, accepted);
    }
    examine_records(&log, &mut report);
    examine_vault(&args.data, &mut report);
    examine_views(&args.data, &log, &mut report);
    examine_clock(args, &log, &mut report)?;
    log.close();
    Ok(if report.healthy { ExitCode::SUCCESS } else { ExitCode::from(super::error::EXIT_FAILED) })
}

/// Puts the fact of the loss into the log itself: the first record of the new epoch.
fn note_loss(log: &RocksLog, accepted: &AcceptedLoss) -> Result<(), CliError> {
    let position = log.watermark().next();
    let last_ms = clockmark::last_recorded_ms(log).map_err(|error| unreadable(&error.to_string()))?;
    let common = CommonPart { recorded_at_ms: wall_ms().max(last_ms), count: 1, ..CommonPart::default() };
    let event = Event::LogRestored(v1::LogRestored {
        epoch: log.epoch().0,
        lost_after: accepted.end.position.0,
        reason: "a person accepted the loss with muster doctor --accept-loss".to_owned(),
    });
    let record = EnvelopeEncoder::new(&common, 1).encode(&RecordPart {
        position: position.0,
        index: 0,
        realm: muster_proto::ACTUAL,
        area_path: &v1::AreaPath::default(),
        other_area_ids: &[],
        cause: 0,
        origin: v1::Origin::External,
        event: &event,
    });
    let (told, durable) = std::sync::mpsc::sync_channel(1);
    // The receiver waits right below; it is gone only if this thread is.
    let on_durable = Box::new(move |outcome| drop(told.send(outcome)));
    log.append(Unit::records_only(position, vec![record]), on_durable).map_err(|error| unreadable(&error.to_string()))?;
    match durable.recv() {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(unreadable(&error.to_string())),
        Err(_) => Err(unreadable("the log gave no answer")),
    }
}

fn unreadable(detail: &str) -> CliError {
    CliError::new(format!("日志无法使用：{detail}"), format!("the log cannot be used: {detail}"))
}

fn say_loss(report: &Report, accepted: &AcceptedLoss) {
    let known = accepted.acknowledged.map_or_else(|| "?".to_owned(), |at| at.to_string());
    report.good(
        &format!("已接受丢失：日志现在到 {} 为止（新纪元），此前确认到 {known}", accepted.end),
        &format!("the loss is accepted: the log ends at {} in a new epoch; acknowledged were records up to {known}", accepted.end),
    );
}

/// Reads every record: its checksum, its place, its content.
fn examine_records(log: &RocksLog, report: &mut Report) {
    let end = log.watermark();
    let bar = ProgressBar::new(end.0);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec}").expect("the template is one that indicatif reads"));
    let mut next = Position::FIRST;
    while next <= end {
        let batch = match log.read(next, limits::EVENTS_BATCH_BYTES, limits::EVENTS_BATCH_RECORDS) {
            Ok(batch) => batch,
            Err(error) => {
                bar.finish_and_clear();
                return report.bad(&Words::new(
                    format!("日志已损坏：{error}。请从备份恢复，或用 --accept-loss 保留此前的部分。"),
                    format!("the log is damaged: {error}. Restore a backup, or keep what is before it with --accept-loss."),
                ));
            }
        };
        for record in &batch {
            if let Err(error) = muster_proto::decode(&record.bytes) {
                report.bad(&Words::new(
                    format!("记录 {} 无法解读：{error}", record.position),
                    format!("record {} cannot be read: {error}", record.position),
                ));
            }
            next = record.position.next();
        }
        bar.set_position(next.0 - 1);
    }
    bar.finish_and_clear();
    report.good(
        &format!("日志 {}：{} 条记录，第 {} 纪元，逐条校验无误", log.id(), end, log.epoch()),
        &format!("log {}: {} records, epoch {}, each one checked", log.id(), end, log.epoch()),
    );
}

fn examine_vault(data: &Path, report: &mut Report) {
    let dir = data.join(VAULT_DIR);
    if !dir.exists() {
        return report.bad(&Words::new(
            format!("没有保险库 {}：个人信息无法读取。请从它自己的备份恢复。", dir.display()),
            format!("there is no vault {}: personal data cannot be read. Restore it from its own backup.", dir.display()),
        ));
    }
    match Vault::open(&dir, VaultOptions::new(Box::new(OsEntropy::new()))) {
        Ok(vault) => {
            let (keys, erased) = vault.counts();
            report.good(&format!("保险库：{keys} 把密钥，{erased} 人已删除"), &format!("vault: {keys} keys, {erased} erased"));
        }
        Err(error) => report.bad(&StartError::from(error).words()),
    }
}

fn examine_views(data: &Path, log: &RocksLog, report: &mut Report) {
    let dir = data.join(VIEWS_DIR);
    if !dir.exists() {
        return report.good("视图：尚未建立，启动时会重建", "views: none yet, the next start builds them");
    }
    let known = ViewStore::open(&dir).and_then(|store| {
        let history = dir.join(HISTORY_DIR);
        let kept = if history.exists() { HistoryStore::open(history)?.known(log.id())? } else { None };
        Ok(store.known(log.id())?.max(kept))
    });
    match known {
        Ok(None) => report.good("视图：空，启动时会重建", "views: empty, the next start builds them"),
        Ok(Some(known)) => match log.check_not_behind(known, VIEWS_DIR) {
            Ok(()) => report.good(&format!("视图：到 {known}"), &format!("views: up to {known}")),
            Err(behind) => report.bad(&StartError::from(behind).words()),
        },
        Err(error) => report.bad(&StartError::from(error).words()),
    }
}

fn examine_clock(args: &DoctorArgs, log: &RocksLog, report: &mut Report) -> Result<(), CliError> {
    let Ok(last_ms) = clockmark::last_recorded_ms(log) else { return Ok(()) };
    let behind_ms = last_ms - wall_ms();
    if behind_ms <= muster_engine::limits::CLOCK_BEHIND_MS_MAX {
        report.good("时钟：不早于最后一条记录", "clock: not behind the last record");
    } else if args.accept_clock {
        clockmark::set(&args.data).map_err(|error| CliError::io(&args.data.display().to_string(), &error))?;
        report.good(
            &format!("已接受时钟早于最后一条记录 {} 秒：下次启动从该记录的时间继续", behind_ms / 1000),
            &format!(
                "accepted: the clock is {} s behind the last record; the next start goes on from that record's time",
                behind_ms / 1000
            ),
        );
    } else {
        report.bad(&Words::new(
            format!("时钟早于最后一条记录 {} 秒。请校准时钟；若是记录的时间有误，请加 --accept-clock。", behind_ms / 1000),
            format!(
                "the clock is {} s behind the last record. Set it; if the record's time is what is wrong, add --accept-clock.",
                behind_ms / 1000
            ),
        ));
    }
    Ok(())
}
