//! A connection to NATS that publishes: the client protocol's few lines that this takes, written into one buffer.
//!
//! The relay publishes hundreds of thousands of messages whose headers differ; a client for all purposes spends more time on each
//! than the server does. It holds nothing back and comes back from nothing: what was sent on a connection that ended is
//! unknown, and who uses it asks the stream. Everything else that is asked of NATS goes through the client.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use async_nats::ServerAddr;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Buf as _, Bytes, BytesMut};
use nkeys::KeyPair;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::limits;
use crate::link::{ConnectError, Credentials, LinkOptions, tls_config};
use crate::target::{Target, without_secrets};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The part of the server's INFO that matters here.
#[derive(Deserialize)]
struct ServerInfo {
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    headers: bool,
    /// What an nkey is to sign.
    nonce: Option<String>,
}

/// What the server sends, or that it took something.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    /// Some of the buffer went out.
    Written,
    /// INFO, +OK.
    Nothing,
    Pong,
    Ping,
    Error(String),
    /// A message without headers, or with headers before the payload.
    Message {
        header_bytes: usize,
        bytes: Bytes,
    },
}

/// An answer to a message that asked for one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What the stream says.
    Payload(Bytes),
    /// Nobody takes the subject.
    NoResponders,
}

/// One address, and how to get in there.
struct Way<'a> {
    name: &'a str,
    address: &'a ServerAddr,
    ca: Option<PathBuf>,
    key: Option<&'a KeyPair>,
}

/// The connection; it is of no more use after an error.
pub(crate) struct Wire {
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    incoming: BytesMut,
    outgoing: BytesMut,
    inbox: String,
}

impl Wire {
    /// Connects to the first address that takes us, and listens on `inbox` for answers.
    pub(crate) async fn open(options: &LinkOptions, inbox: String) -> Result<Self, ConnectError> {
        let failed = |detail: String| ConnectError { url: without_secrets(&options.url), detail };
        let mut last = "no address".to_owned();
        let target = Target::read(&options.url).map_err(failed)?;
        let seed = target.seed().await.map_err(failed)?;
        let key = seed.map(|seed| KeyPair::from_seed(&seed)).transpose().map_err(|error| failed(error.to_string()))?;
        for address in &target.addresses {
            let way = Way { name: &options.name, address, ca: target.ca.clone(), key: key.as_ref() };
            match tokio::time::timeout(limits::CONNECT_TIMEOUT, Self::connect(way, &inbox)).await {
                Ok(Ok(wire)) => return Ok(wire),
                Ok(Err(detail)) => last = detail,
                Err(_) => last = "it did not answer in time".to_owned(),
            }
        }
        Err(failed(last))
    }

    async fn connect(way: Way<'_>, inbox: &str) -> Result<Self, String> {
        let address = way.address;
        let socket = TcpStream::connect((address.host(), address.port())).await.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut socket: Box<dyn Stream> = Box::new(socket);
        let mut incoming = BytesMut::new();
        let info = read_info(&mut socket, &mut incoming).await?;
        let tls = address.tls_required() || info.tls_required;
        if tls {
            socket = Box::new(secure(socket, address.host(), way.ca.clone()).await?);
        }
        if !info.headers {
            return Err("the server takes no headers".to_owned());
        }
        let (read, write) = tokio::io::split(socket);
        let mut wire = Self { read, write, incoming, outgoing: BytesMut::new(), inbox: inbox.to_owned() };
        wire.say_hello(&way, &info, tls)?;
        loop {
            match wire.operation().await? {
                Operation::Pong => return Ok(wire),
                Operation::Written | Operation::Nothing | Operation::Message { .. } => {}
                Operation::Ping => wire.outgoing.extend_from_slice(b"PONG\r\n"),
                Operation::Error(error) => return Err(error),
            }
        }
    }

    fn say_hello(&mut self, way: &Way<'_>, info: &ServerInfo, tls: bool) -> Result<(), String> {
        let mut hello = json!({
            "verbose": false, "pedantic": false, "tls_required": tls, "echo": false, "headers": true, "no_responders": true,
            "name": way.name, "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "protocol": 1,
        });
        if let (Some(key), Some(nonce)) = (way.key, &info.nonce) {
            let signature = key.sign(nonce.as_bytes()).map_err(|error| error.to_string())?;
            hello["nkey"] = key.public_key().into();
            hello["sig"] = URL_SAFE_NO_PAD.encode(signature).into();
        }
        match Credentials::of(way.address) {
            Some(Credentials::UserAndPassword(user, password)) => {
                hello["user"] = user.into();
                hello["pass"] = password.into();
            }
            Some(Credentials::Token(token)) => hello["auth_token"] = token.into(),
            None => {}
        }
        write!(self.outgoing, "CONNECT {hello}\r\nSUB {} 1\r\nPING\r\n", self.inbox).expect("a buffer takes it");
        Ok(())
    }

    /// Puts a message into the buffer; [`Wire::answer`] sends it. `headers` is a whole header block.
    pub(crate) fn publish(&mut self, subject: &str, headers: &[u8], payload: &[u8], ask: bool) {
        let (header_bytes, bytes) = (headers.len(), headers.len() + payload.len());
        let reply: [&str; 2] = if ask { [&self.inbox, " "] } else { ["", ""] };
        self.outgoing.reserve(subject.len() + self.inbox.len() + bytes + 64);
        write!(self.outgoing, "HPUB {subject} {}{}{header_bytes} {bytes}\r\n", reply[0], reply[1]).expect("a buffer takes it");
        self.outgoing.extend_from_slice(headers);
        self.outgoing.extend_from_slice(payload);
        self.outgoing.extend_from_slice(b"\r\n");
    }

    /// Bytes in the buffer.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Sends what is in the buffer and waits for an answer; none as soon as there is room in the buffer again. Dropping
    /// the future loses nothing.
    pub(crate) async fn answer(&mut self) -> Result<Option<Answer>, String> {
        loop {
            let operation = self.operation().await?;
            if operation == Operation::Written {
                return Ok(None);
            }
            if let Some(answer) = take_answer(operation, &mut self.outgoing)? {
                return Ok(Some(answer));
            }
        }
    }

    /// An answer that has come in already.
    pub(crate) fn answer_now(&mut self) -> Result<Option<Answer>, String> {
        while let Some(operation) = parse(&mut self.incoming)? {
            if let Some(answer) = take_answer(operation, &mut self.outgoing)? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    async fn operation(&mut self) -> Result<Operation, String> {
        loop {
            if let Some(operation) = parse(&mut self.incoming)? {
                return Ok(operation);
            }
            tokio::select! {
                read = self.read.read_buf(&mut self.incoming) => match read {
                    Ok(0) => return Err("disconnected".to_owned()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                },
                written = self.write.write_buf(&mut self.outgoing), if !self.outgoing.is_empty() => match written {
                    Ok(0) => return Err("disconnected".to_owned()),
                    Ok(_) => return Ok(Operation::Written),
                    Err(error) => return Err(error.to_string()),
                },
            }
        }
    }
}

async fn read_info(socket: &mut Box<dyn Stream>, incoming: &mut BytesMut) -> Result<ServerInfo, String> {
    loop {
        if let Some(end) = line_end(incoming)? {
            let line = incoming.split_to(end + 1);
            let json = line.strip_prefix(b"INFO ").ok_or_else(|| "what answers is no NATS server".to_owned())?;
            return serde_json::from_slice(json).map_err(|error| error.to_string());
        }
        let read = socket.read_buf(incoming).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("disconnected".to_owned());
        }
    }
}

async fn secure(socket: Box<dyn Stream>, host: &str, ca: Option<PathBuf>) -> Result<TlsStream<Box<dyn Stream>>, String> {
    let config = tls_config(ca).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|error| error.to_string())
}

fn take_answer(operation: Operation, outgoing: &mut BytesMut) -> Result<Option<Answer>, String> {
    match operation {
        Operation::Written | Operation::Nothing | Operation::Pong => Ok(None),
        Operation::Ping => {
            outgoing.extend_from_slice(b"PONG\r\n");
            Ok(None)
        }
        Operation::Error(error) => Err(error),
        Operation::Message { header_bytes: 0, bytes } => Ok(Some(Answer::Payload(bytes))),
        Operation::Message { header_bytes, mut bytes } => {
            let headers = bytes.split_to(header_bytes);
            let is_refusal = headers.starts_with(b"NATS/1.0 503");
            Ok(Some(if is_refusal { Answer::NoResponders } else { Answer::Payload(bytes) }))
        }
    }
}

/// Where the first line ends; none if it has not come whole.
fn line_end(incoming: &[u8]) -> Result<Option<usize>, String> {
    let end = incoming.iter().position(|byte| *byte == b'\n');
    if end.unwrap_or(incoming.len()) > limits::PROTOCOL_LINE_BYTES {
        return Err("the server sent a line that has no end".to_owned());
    }
    Ok(end)
}

/// Takes the first operation off the buffer; none if it has not come whole.
fn parse(incoming: &mut BytesMut) -> Result<Option<Operation>, String> {
    let Some(end) = line_end(incoming)? else { return Ok(None) };
    let line = std::str::from_utf8(&incoming[..end]).map_err(|error| error.to_string())?.trim_end_matches('\r');
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let operation = match verb {
        "MSG" | "HMSG" => return parse_message(verb == "HMSG", rest.to_owned(), end + 1, incoming),
        "PING" => Operation::Ping,
        "PONG" => Operation::Pong,
        "INFO" | "+OK" => Operation::Nothing,
        "-ERR" => Operation::Error(rest.trim_matches('\'').to_owned()),
        _ => return Err(format!("the server sent {verb:?}, which is no word of its protocol")),
    };
    incoming.advance(end + 1);
    Ok(Some(operation))
}

/// `<subject> <sid> [reply] [header bytes] <bytes>`, then the bytes and a line end.
fn parse_message(with_headers: bool, rest: String, from: usize, incoming: &mut BytesMut) -> Result<Option<Operation>, String> {
    let malformed = || format!("the server sent a message with the head {rest:?}");
    let mut sizes = rest.rsplit(' ').map(|text| text.parse::<usize>().ok());
    let bytes = sizes.next().flatten().ok_or_else(malformed)?;
    let header_bytes = if with_headers { sizes.next().flatten().ok_or_else(malformed)? } else { 0 };
    if header_bytes > bytes || bytes > limits::ANSWER_BYTES {
        return Err(malformed());
    }
    if incoming.len() < from + bytes + 2 {
        return Ok(None);
    }
    incoming.advance(from);
    let message = incoming.split_to(bytes).freeze();
    incoming.advance(2);
    Ok(Some(Operation::Message { header_bytes, bytes: message }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SENT: &[u8] = b"INFO {\"a\":1}\r\nPING\r\n+OK\r\nMSG _I.1 1 5\r\nhello\r\nMSG _I.1 1 reply 0\r\n\r\nHMSG _I.1 1 16 18\r\nNATS/1.0 503\r\n\r\nhi\r\n-ERR 'Stale Connection'\r\n";

    fn wanted() -> Vec<Operation> {
        vec![
            Operation::Nothing,
            Operation::Ping,
            Operation::Nothing,
            Operation::Message { header_bytes: 0, bytes: "hello".into() },
            Operation::Message { header_bytes: 0, bytes: Bytes::new() },
            Operation::Message { header_bytes: 16, bytes: "NATS/1.0 503\r\n\r\nhi".into() },
            Operation::Error("Stale Connection".into()),
        ]
    }

    #[test]
    fn operations_are_read_wherever_the_bytes_are_cut() {
        for cut in 0..SENT.len() {
            let mut incoming = BytesMut::from(&SENT[..cut]);
            let mut found = Vec::new();
            while let Some(operation) = parse(&mut incoming).unwrap() {
                found.push(operation);
            }
            incoming.extend_from_slice(&SENT[cut..]);
            while let Some(operation) = parse(&mut incoming).unwrap() {
                found.push(operation);
            }
            assert_eq!(found, wanted(), "cut at {cut}");
            assert!(incoming.is_empty());
        }
    }

    #[test]
    fn what_is_no_protocol_is_an_error() {
        for sent in
            ["HTTP/1.1 400 Bad Request\r\n", "MSG a 1 x\r\n", "MSG a 1 -5\r\n", "HMSG a 1 9 5\r\n", "MSG a 1 99999999999\r\n", "\u{1}\r\n"]
        {
            assert!(parse(&mut BytesMut::from(sent)).is_err(), "{sent:?}");
        }
        let endless = "x".repeat(limits::PROTOCOL_LINE_BYTES + 1);
        assert!(parse(&mut BytesMut::from(endless.as_str())).is_err());
    }

    #[test]
    fn an_answer_is_told_from_nobody_there() {
        let mut outgoing = BytesMut::new();
        let mut answers = Vec::new();
        for operation in wanted() {
            answers.push(take_answer(operation, &mut outgoing));
        }
        let [a, b, c] =
            [Answer::Payload("hello".into()), Answer::Payload(Bytes::new()), Answer::NoResponders].map(|answer| Ok(Some(answer)));
        assert_eq!(answers, [Ok(None), Ok(None), Ok(None), a, b, c, Err("Stale Connection".into())]);
        assert_eq!(&outgoing[..], b"PONG\r\n");
    }
}
