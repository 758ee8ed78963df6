//! The `muster` binary: everything is in the library, so that tests, demo and benches run the same code.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_server::Muster::new().run()
}
