//! The only place that writes to stdout and stderr. A reader that has gone (`| head`) ends the process quietly.

use std::io::{self, Write as _};

/// Writes a line to stdout.
pub(crate) fn line(text: &str) {
    if writeln!(io::stdout().lock(), "{text}").is_err() {
        // Nobody reads any more: there is nothing left to do, and nothing to say it to.
        std::process::exit(0);
    }
}

/// Writes a line to stdout and sees to it that it is there now.
pub(crate) fn line_now(text: &str) {
    line(text);
    drop(io::stdout().lock().flush());
}

/// Writes a line to stderr.
pub(crate) fn to_stderr(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
