//! How many files and sockets this process may have open. Many systems begin with 1,024, which a server with its streams and its databases
//! exceeds; what the system allows beyond that is taken. It must never change what others of the machine may.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits;

/// Takes as many as the system allows. Returns how many that are.
pub fn raise() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(limits::OPEN_FILES_WANTED).max(now.current.unwrap_or(u64::MAX));
    let raised = now.current.is_some_and(|current| current < most)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum }).is_ok();
    let open = if raised { most } else { now.current.unwrap_or(u64::MAX) };
    if open < limits::OPEN_FILES_WANTED {
        let (wanted, streams) = (limits::OPEN_FILES_WANTED, limits::STREAMS_MAX);
        tracing::warn!(open, wanted, streams, "fewer files may be open than all streams need: raise LimitNOFILE or `ulimit -Hn`");
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_allows_is_taken() {
        let most = getrlimit(Resource::Nofile).maximum;
        let open = raise();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), open);
        assert!(most.is_none_or(|most| open == most), "{open} of {most:?}");
    }
}
