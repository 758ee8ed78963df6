//! Access tokens of platforms: asked for with the account and its secret, kept until shortly before their end. It must never trace one.
//!
//! Sources: developer.work.weixin.qq.com 获取access_token (`/cgi-bin/gettoken`); open.dingtalk.com 获取企业内部应用的access_token (`/gettoken`).

use std::time::Duration;

use hyper::{Method, Uri};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::{Channel, Kind};
use crate::limits;
use crate::sign::{Secret, percent};
use crate::transport::{Request, Silence, Transport};

/// The token of one channel.
#[derive(Default)]
pub(crate) struct AccessToken(Mutex<Option<(String, Instant)>>);

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    access_token: String,
    /// Seconds; whatever it says is taken for a day at most.
    #[serde(default)]
    expires_in: u64,
}

impl AccessToken {
    /// The token that is good now. Whoever waits here finds what the one before has found.
    pub(crate) async fn get(&self, channel: &Channel, transport: &Transport) -> Result<String, Silence> {
        let mut known = self.0.lock().await;
        if let Some((token, until)) = &*known
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let mut failed = Silence::NoAccessToken;
        for secret in &channel.secrets {
            match ask(channel, secret, transport).await {
                Ok((token, lasts)) => {
                    *known = Some((token.clone(), Instant::now() + lasts));
                    return Ok(token);
                }
                Err(silence) => failed = silence,
            }
        }
        Err(failed)
    }

    /// The one that was used is not good any more. Whoever is told so late leaves the one that took its place.
    pub(crate) async fn forget(&self, used: &str) {
        let mut known = self.0.lock().await;
        if known.as_ref().is_some_and(|(token, _)| token == used) {
            *known = None;
        }
    }
}

async fn ask(channel: &Channel, secret: &Secret, transport: &Transport) -> Result<(String, Duration), Silence> {
    let (account, secret) = (percent(&channel.account), percent(secret.text()));
    let target = match channel.kind {
        Kind::WecomApp => format!("/cgi-bin/gettoken?corpid={account}&corpsecret={secret}"),
        _ => format!("/gettoken?appkey={account}&appsecret={secret}"),
    };
    let mut parts = channel.url.clone().into_parts();
    parts.path_and_query = Some(target.parse().map_err(|_| Silence::BadAddress)?);
    let url = Uri::from_parts(parts).map_err(|_| Silence::BadAddress)?;
    let headers = [("accept", "application/json".to_owned())];
    let answer = transport.send(Request { method: Method::GET, url: &url, headers: &headers, body: Vec::new() }, 0).await?;
    let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| Silence::NoAccessToken)?;
    if granted.errcode != 0 || granted.access_token.is_empty() {
        return Err(Silence::NoAccessToken);
    }
    let lasts = Duration::from_secs(granted.expires_in).min(limits::TOKEN_LASTS_MAX);
    Ok((granted.access_token, lasts.saturating_sub(limits::TOKEN_EARLY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several tries are on their way with a token that ends: each learns of it, and only the first may throw it away.
    #[tokio::test]
    async fn whoever_learns_late_that_a_token_is_over_leaves_the_next_one() {
        let until = Instant::now() + limits::TOKEN_LASTS_MAX;
        let token = AccessToken(Mutex::new(Some(("new".to_owned(), until))));
        token.forget("old").await;
        assert_eq!(*token.0.lock().await, Some(("new".to_owned(), until)));
        token.forget("new").await;
        assert_eq!(*token.0.lock().await, None);
    }
}
