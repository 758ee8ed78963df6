//! The HTTP client of the command line. Problems come back in words; a server that is not there is said plainly.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::args::ServerArgs;
use super::error::CliError;
use crate::words::Lang;

/// A server, as the command line sees it.
pub(super) struct Client {
    base: String,
    principal: Option<String>,
    token: Option<String>,
    lang: Lang,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(args: &ServerArgs, lang: Lang) -> Self {
        let given = args.server.trim_end_matches('/');
        let base = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
        Self { base, principal: args.principal.clone(), token: args.token.clone(), lang, http: reqwest::Client::new() }
    }

    pub(super) fn request(&self, method: Method, path: &str, query: &[(&str, Option<&str>)]) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).header("Accept-Language", self.lang.tag());
        if let Some(principal) = &self.principal {
            request = request.header("Muster-Principal", principal);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let given: Vec<_> = query.iter().filter_map(|(name, value)| value.map(|value| (*name, value))).collect();
        if given.is_empty() { request } else { request.query(&given) }
    }

    /// Sends a request; an answer that is no success becomes an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        Err(problem(status, &text))
    }

    pub(super) async fn get_json(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Value, CliError> {
        let response = self.send(self.request(Method::GET, path, query)).await?;
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_str(&text).map_err(|error| self.not_muster(&error.to_string()))
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        CliError::new(
            format!("无法连接服务器 {}：{cause}。请确认 muster serve 正在运行，或用 --server 指定地址。", self.base),
            format!("the server {} cannot be reached: {cause}. See that muster serve runs, or name another one with --server.", self.base),
        )
    }

    pub(super) fn not_muster(&self, detail: &str) -> CliError {
        CliError::new(
            format!("{} 的回答不是 Muster 的格式：{detail}。请检查 --server。", self.base),
            format!("{} does not answer like Muster: {detail}. Check --server.", self.base),
        )
    }
}

fn problem(status: StatusCode, text: &str) -> CliError {
    match serde_json::from_str::<Value>(text) {
        Ok(document) if document["code"].is_string() => CliError::from_problem(&document),
        _ => CliError::new(format!("服务器回答 {status}"), format!("the server answered {status}")),
    }
}
