//! `muster token`: issues, lists and revokes local tokens in a data folder, whether or not a server runs on it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use muster_access::{Grant, GrantFault, Role, Scope};

use super::args::{TokenAction, TokenArgs, TokenIssueArgs};
use super::error::CliError;
use super::print;
use crate::access::{ACCESS_DIR, TokenFault, TokenRecord, TokenStore};
use crate::config::ConfigError;
use crate::http::wall_ms;
use crate::limits;
use crate::time::in_china;
use crate::words::Lang;

pub(super) fn run(args: &TokenArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let data = args.data.as_deref().ok_or(ConfigError::NoData)?;
    let dir = data.join(ACCESS_DIR);
    let store = TokenStore::new(&dir);
    match &args.action {
        TokenAction::Issue(wish) => issue(&store, &dir, wish, lang)?,
        TokenAction::List => list(&store, &dir, lang)?,
        TokenAction::Revoke { id } => revoke(&store, &dir, id, lang)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn issue(store: &TokenStore, dir: &Path, wish: &TokenIssueArgs, lang: Lang) -> Result<(), CliError> {
    let grants = grants(wish)?;
    let now_ms = wall_ms();
    let expires_at_ms = wish.ttl.as_deref().map(ttl_ms).transpose()?.map(|ttl_ms| now_ms + ttl_ms);
    // A responder's own token acts as that person.
    let name = wish.name.clone().or_else(|| wish.responder.clone()).unwrap_or_default();
    if name.len() > limits::SUBJECT_BYTES_MAX || name.chars().any(char::is_control) {
        let most = limits::SUBJECT_BYTES_MAX;
        return Err(CliError::new(
            format!("--name 应为不超过 {most} 字节的可见字符"),
            format!("--name has at most {most} bytes of visible text"),
        ));
    }
    let (token, record) = store.issue(&name, grants, now_ms, expires_at_ms).map_err(|error| unusable(dir, &error))?;
    print::line(&token);
    print::to_stderr(&match lang {
        Lang::Zh => format!("已签发令牌 {}（{}，{}）。令牌只显示这一次，请妥善保管。", record.id, record.name, scopes(&record)),
        Lang::En => format!("token {} issued ({}, {}). It is shown this once: keep it safe.", record.id, record.name, scopes(&record)),
    });
    Ok(())
}

fn grants(wish: &TokenIssueArgs) -> Result<Vec<Grant>, CliError> {
    let role: Role = wish.role.parse().map_err(|fault: muster_access::UnknownRole| {
        CliError::new(format!("没有角色“{}”，可用的有 {}", wish.role, Role::ALL.map(Role::name).join("、")), fault.to_string())
    })?;
    let areas = wish.area.iter().cloned().map(Scope::Area);
    let organizations = wish.organization.iter().cloned().map(Scope::Organization);
    let units = wish.unit.iter().cloned().map(Scope::Unit);
    let person = wish.responder.iter().cloned().map(Scope::Responder);
    let everything = wish.everything.then_some(Scope::Everything);
    let scopes = areas.chain(organizations).chain(units).chain(person).chain(everything);
    scopes.map(|scope| Grant::new(role, scope).map_err(|fault| no_grant(role, &fault))).collect()
}

fn no_grant(role: Role, fault: &GrantFault) -> CliError {
    CliError::new(format!("角色“{}”与所给范围不符：{fault}", role.zh()), fault.to_string())
}

/// `90m`, `12h`, `30d`.
fn ttl_ms(text: &str) -> Result<i64, CliError> {
    let bad =
        || CliError::new(format!("有效期“{text}”无效，应如 90m、12h、30d"), format!("the time {text:?} is not usable; 90m, 12h or 30d is"));
    let (number, unit_ms) = match text.char_indices().last() {
        Some((at, 'm')) => (&text[..at], 60_000),
        Some((at, 'h')) => (&text[..at], 3_600_000),
        Some((at, 'd')) => (&text[..at], 86_400_000),
        _ => return Err(bad()),
    };
    number
        .parse::<i64>()
        .ok()
        .filter(|number| *number > 0)
        .and_then(|number| number.checked_mul(unit_ms))
        .filter(|ms| *ms < i64::MAX / 4)
        .ok_or_else(bad)
}

fn list(store: &TokenStore, dir: &Path, lang: Lang) -> Result<(), CliError> {
    let tokens = store.current().map_err(|error| unusable(dir, &error))?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(match lang {
        Lang::Zh => ["编号", "使用者", "权限", "签发", "到期", "状态"],
        Lang::En => ["id", "name", "grants", "issued", "expires", "state"],
    });
    let now_ms = wall_ms();
    for record in tokens.records() {
        let state = match (record.fault(now_ms), lang) {
            (None, Lang::Zh) => "有效",
            (None, Lang::En) => "good",
            (Some(TokenFault::Revoked), Lang::Zh) => "已吊销",
            (Some(TokenFault::Revoked), Lang::En) => "revoked",
            (Some(TokenFault::Expired), Lang::Zh) => "已过期",
            (Some(TokenFault::Expired), Lang::En) => "expired",
        };
        let expires = record.expires_at_ms.map(in_china).unwrap_or_default();
        table.add_row([&record.id, &record.name, &scopes(record), &in_china(record.issued_at_ms), &expires, state]);
    }
    print::line(&table.to_string());
    Ok(())
}

fn revoke(store: &TokenStore, dir: &Path, id: &str, lang: Lang) -> Result<(), CliError> {
    let revoked = store.revoke(id, wall_ms()).map_err(|error| unusable(dir, &error))?;
    let record = revoked.ok_or_else(|| {
        CliError::new(
            format!("没有令牌“{id}”；muster token list 可列出"),
            format!("there is no token {id:?}; muster token list shows them"),
        )
    })?;
    print::line(&match lang {
        Lang::Zh => format!("已吊销令牌 {}（{}），运行中的服务器立即生效", record.id, record.name),
        Lang::En => format!("token {} ({}) is revoked; a running server has noticed", record.id, record.name),
    });
    Ok(())
}

fn scopes(record: &TokenRecord) -> String {
    record.grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unusable(dir: &Path, error: &std::io::Error) -> CliError {
    let dir: PathBuf = dir.to_owned();
    CliError::new(
        format!("无法使用令牌库 {}：{error}。请检查路径与权限。", dir.display()),
        format!("the tokens in {} cannot be used: {error}. Check the path and its permissions.", dir.display()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(ttl_ms("90m").unwrap(), 5_400_000);
        assert_eq!(ttl_ms("12h").unwrap(), 43_200_000);
        assert_eq!(ttl_ms("30d").unwrap(), 2_592_000_000);
        for text in ["", "30", "d", "0d", "-1h", "1w", "9223372036854775807d", "三天"] {
            assert!(ttl_ms(text).unwrap_err().words.zh.contains("30d"), "{text}");
        }
    }
}
