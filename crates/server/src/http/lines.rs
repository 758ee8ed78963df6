//! Lines out of a request body as they come in, in groups: what has arrived is handed on together. It must never hold more
//! than one line over the limit, nor wait for a line while one is there.

use axum::body::{Body, BodyDataStream};
use bytes::{Buf as _, Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _};

/// One line of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes, without the line end.
    Text(Bytes),
    /// It was over the limit, and was skipped.
    TooLong,
}

/// Reads lines.
pub(super) struct Lines {
    stream: BodyDataStream,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    skipping: bool,
    ended: bool,
    line_bytes_max: usize,
}

impl Lines {
    pub(super) fn new(body: Body, line_bytes_max: usize) -> Self {
        Self { stream: body.into_data_stream(), buffer: BytesMut::new(), searched: 0, skipping: false, ended: false, line_bytes_max }
    }

    /// The next lines: at least one unless the body has ended, at most `lines_max`; waits only for the first.
    /// Dropping the future loses nothing.
    pub(super) async fn next_group(&mut self, lines_max: usize) -> Result<Vec<Line>, axum::Error> {
        let mut group = Vec::new();
        loop {
            while group.len() < lines_max {
                match self.take_line() {
                    Some(line) => group.push(line),
                    None => break,
                }
            }
            if self.ended || group.len() >= lines_max {
                return Ok(group);
            }
            let chunk = if group.is_empty() {
                self.stream.next().await
            } else {
                match self.stream.next().now_or_never() {
                    Some(chunk) => chunk,
                    None => return Ok(group),
                }
            };
            match chunk {
                Some(chunk) => self.buffer.extend_from_slice(&chunk?),
                None => self.ended = true,
            }
        }
    }

    fn take_line(&mut self) -> Option<Line> {
        let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| self.searched + at);
        let end = match found {
            Some(end) => end,
            None if self.ended && !self.buffer.is_empty() => self.buffer.len(),
            None if self.ended && self.skipping => {
                self.skipping = false;
                return Some(Line::TooLong);
            }
            None => {
                if self.buffer.len() > self.line_bytes_max {
                    self.skipping = true;
                    self.buffer.clear();
                }
                self.searched = self.buffer.len();
                return None;
            }
        };
        let mut line = self.buffer.split_to(end);
        if found.is_some() {
            self.buffer.advance(1);
        }
        self.searched = 0;
        if std::mem::take(&mut self.skipping) || line.len() > self.line_bytes_max {
            return Some(Line::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Some(Line::Text(line.freeze()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn lines(chunks: &'static [&'static str]) -> Vec<Line> {
        let body = Body::from_stream(futures::stream::iter(
            chunks.iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes()))),
        ));
        let mut lines = Lines::new(body, 8);
        let mut all = Vec::new();
        loop {
            let group = lines.next_group(3).await.unwrap();
            if group.is_empty() {
                return all;
            }
            all.extend(group);
        }
    }

    fn text(text: &'static str) -> Line {
        Line::Text(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn lines_do_not_depend_on_how_they_arrive() {
        assert_eq!(lines(&["a\nb", "b\r\n", "\nc"]).await, [text("a"), text("bb"), text(""), text("c")]);
        assert_eq!(lines(&[]).await, []);
        assert_eq!(lines(&["a\n"]).await, [text("a")]);
        assert_eq!(lines(&["1\n2\n3\n4\n5\n"]).await.len(), 5);
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_skipped_and_the_next_one_is_read() {
        assert_eq!(lines(&["0123456", "789", "abc\nok\n"]).await, [Line::TooLong, text("ok")]);
        assert_eq!(lines(&["0123456789\nok"]).await, [Line::TooLong, text("ok")]);
        assert_eq!(lines(&["ok\n0123456", "789"]).await, [text("ok"), Line::TooLong]);
        assert_eq!(lines(&["01234567\n"]).await, [text("01234567")]);
    }
}
