//! Which calls somebody may have been told of although no answer came back: shared by all channels, for the release of a call goes out by one
//! channel and the call itself by any. It must never outlive what the log knows: a mark goes once the outcome is taken down.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::window::Key;

/// A message with a call: the call, the channel's index, the message's place.
type Which = (Box<str>, usize, Key);

#[derive(Clone, Copy, Default)]
struct Mark {
    /// A try is on its way.
    flying: bool,
    /// A request with it may have arrived.
    left: bool,
}

/// What is known of a call by its messages that are not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// A try is on its way: how it ends will be known.
    pub(crate) is_flying: bool,
    /// Somebody may have been told.
    pub(crate) may_be_told: bool,
}

/// A try on its way. It ends when this is dropped, also where it broke off.
pub(crate) struct Flight<'a> {
    underway: &'a Underway,
    call_id: &'a str,
    channel: usize,
    key: Key,
    finished: bool,
}

impl Flight<'_> {
    /// The message is finished, and the log has what became of it.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.underway.end(self.call_id, self.channel, self.key, self.finished);
    }
}

/// The marks. As many as there are unfinished messages: the windows are bounded.
#[derive(Default)]
pub(crate) struct Underway(Mutex<BTreeMap<Which, Mark>>);

impl Underway {
    /// A try begins; set before it is looked up whether the call still stands, so that whoever sees the call released sees the mark.
    pub(crate) fn begin<'a>(&'a self, call_id: &'a str, channel: usize, key: Key) -> Flight<'a> {
        self.0.lock().entry((call_id.into(), channel, key)).or_default().flying = true;
        Flight { underway: self, call_id, channel, key, finished: false }
    }

    /// A request with it may have arrived, now or before a restart.
    pub(crate) fn leave(&self, call_id: &str, channel: usize, key: Key) {
        self.0.lock().entry((call_id.into(), channel, key)).or_default().left = true;
    }

    /// Whether a request with this very message may have arrived.
    pub(crate) fn has_left(&self, call_id: &str, channel: usize, key: Key) -> bool {
        self.0.lock().get(&(call_id.into(), channel, key)).is_some_and(|mark| mark.left)
    }

    /// A try is over; with `finished` the message is, and the log has what became of it.
    fn end(&self, call_id: &str, channel: usize, key: Key, finished: bool) {
        let (mut marks, which) = (self.0.lock(), (call_id.into(), channel, key));
        match marks.get_mut(&which) {
            Some(mark) if mark.left && !finished => mark.flying = false,
            _ => drop(marks.remove(&which)),
        }
    }

    /// What is known of a call over all channels.
    pub(crate) fn known(&self, call_id: &str) -> Known {
        let marks = self.0.lock();
        let of_call = marks.range((call_id.into(), 0, (0, 0))..).take_while(|((call, ..), _)| **call == *call_id);
        of_call.fold(Known::default(), |known, (_, mark)| Known {
            is_flying: known.is_flying || mark.flying,
            may_be_told: known.may_be_told || mark.left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_until_the_message_is_finished_on_every_channel() {
        let underway = Underway::default();
        let known = |call: &str| (underway.known(call).is_flying, underway.known(call).may_be_told);
        let flight = underway.begin("c1", 0, (5, 0));
        assert_eq!((known("c1"), known("c10"), known("c")), ((true, false), (false, false), (false, false)));
        // It could not even be begun to send.
        drop(flight);
        assert_eq!(known("c1"), (false, false));
        let flight = underway.begin("c1", 0, (5, 0));
        underway.leave("c1", 0, (5, 0));
        drop(flight);
        underway.begin("c1", 1, (9, 0)).finish();
        assert_eq!(known("c1"), (false, true));
        assert!(underway.has_left("c1", 0, (5, 0)) && !underway.has_left("c1", 1, (9, 0)));
        underway.begin("c1", 0, (5, 0)).finish();
        assert_eq!(known("c1"), (false, false));
    }
}
