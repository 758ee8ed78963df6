//! What the terminal shows while the run is on. The result itself goes to standard output and to the JSON file.

use std::io::{IsTerminal as _, Write as _};

/// A line for whoever waits.
pub(crate) fn say(line: &str) {
    // Nobody may be reading; the run goes on.
    let _ = writeln!(std::io::stderr(), "  {line}");
}

/// A line that is overwritten by the next, where there is a terminal.
pub(crate) fn show_round(name: &str, round: usize, rounds: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[K  {name}: round {round} of {rounds}");
        if round == rounds {
            let _ = write!(out, "\r\x1b[K");
        }
        let _ = out.flush();
    }
}
