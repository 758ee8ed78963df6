//! Caps and default periods of the domain, each with its reason.

/// Ids of areas and realms are NATS subject tokens; eight of them and the prefix must stay under 256 characters.
pub const TOKEN_BYTES_MAX: usize = 32;
/// Other ids are keys and column values; 64 bytes hold every official code and a UUID with a prefix.
pub const ID_BYTES_MAX: usize = 64;
/// Names and short texts: a screen line, three bytes a Chinese character.
pub const NAME_BYTES_MAX: usize = 600;
/// Long texts: a screen. Keeps every record far below the record limit of 256 KiB.
pub const TEXT_BYTES_MAX: usize = 6_000;
/// Needs of one whistle: more is more than one whistle.
pub const NEEDS_MAX: usize = 50;
/// People asked for by one need.
pub const NEED_QUANTITY_MAX: u32 = 10_000;
/// Specialties of one person, functions of one organization, tags and codes of one area.
pub const LABELS_MAX: usize = 64;
/// Sites or units of one plan. 500 of each, with their seats, stay below the record limit.
pub const PLAN_PARTS_MAX: usize = 500;
/// Seats of one site.
pub const SEATS_MAX: usize = 400;
/// Seats of one plan: with 500 sites and units a full draft stays below the record limit of 256 KiB.
pub const PLAN_SEATS_MAX: usize = 2_500;
/// Backups of one post: whom to ask next, in order.
pub const BACKUPS_MAX: usize = 8;
/// People in one list: reserved, nominated. 1,000 ids of 64 bytes stay below the record limit.
pub const PEOPLE_LIST_MAX: usize = 1_000;
/// Candidates in one proposal: a person decides, and nobody reads more.
pub const CANDIDATES_MAX: usize = 20;

/// A whistle wants an acknowledgement within half an hour, as 吹哨报到 practice has it.
pub const ACKNOWLEDGE_LIMIT_MS: i64 = 30 * 60_000;
/// A severe one within a quarter of an hour.
pub const ACKNOWLEDGE_LIMIT_SEVERE_MS: i64 = 15 * 60_000;
/// A threat to life within five minutes.
pub const ACKNOWLEDGE_LIMIT_LIFE_MS: i64 = 5 * 60_000;
/// A call wants a reply within half an hour; then the backup or the next candidate is called.
pub const REPLY_LIMIT_MS: i64 = 30 * 60_000;
/// For a whistle with a threat to life the reply is wanted within five minutes.
pub const REPLY_LIMIT_LIFE_MS: i64 = 5 * 60_000;
/// People passed over in one part of a group call: 500 ids of 64 bytes with their codes stay below the record limit.
pub const PASSED_OVER_PART: usize = 500;
/// People passed over who are listed at all: who reads further narrows the selection.
pub const PASSED_OVER_LISTED: usize = 2_000;
/// A neighbour that is asked for people answers within a quarter of an hour; then the next is asked.
pub const REINFORCEMENT_LIMIT_MS: i64 = 15 * 60_000;
/// With a threat to life within three minutes.
pub const REINFORCEMENT_LIMIT_LIFE_MS: i64 = 3 * 60_000;
/// Neighbours asked one after the other before people are sought one level up: three quarters of an hour at most.
pub const NEIGHBOURS_MAX: usize = 3;
/// What was told of one person and is kept to know it again: the lines of a day's sheet.
pub const OBSERVATIONS_KEPT: usize = 16;
/// A message to an app waits this long for an answer before the next channel is ordered. All channels together stay below the time for a reply.
pub const REACH_APP_MS: i64 = 5 * 60_000;
/// A text message is read a little later than an app's.
pub const REACH_SMS_MS: i64 = 5 * 60_000;
/// A telephone rings, and rings again.
pub const REACH_VOICE_MS: i64 = 3 * 60_000;
/// With a threat to life each channel has one minute: four of them stay below the five for a reply.
pub const REACH_LIFE_MS: i64 = 60_000;
/// A party unit without an organizer is a gap that is chased after a day.
pub const ORGANIZER_LIMIT_MS: i64 = 24 * 3_600_000;
/// An organization names and brings its people within half an hour unless the call says otherwise.
pub const ORGANIZATION_LIMIT_MS: i64 = 30 * 60_000;
/// Everybody outdoors confirms that they are safe within half an hour; then the others are listed.
pub const SAFETY_LIMIT_MS: i64 = 30 * 60_000;
/// People in one part of a list of the unaccounted: 500 with four ids each stay below the record limit.
pub const UNACCOUNTED_PART: usize = 500;
/// How long after a period's end a missing check-out becomes 待核实: the way home and a phone without signal.
pub const PERIOD_GRACE_MS: i64 = 30 * 60_000;
/// A check-in recorded this long after it happened is marked as recorded late: the phone was offline.
pub const OFFLINE_GRACE_MS: i64 = 5 * 60_000;

/// Rows of one plan's lessons that are accepted at once: as many as a plan has seats, and as many again for people.
pub const LESSONS_MAX: usize = 2 * PLAN_SEATS_MAX;
/// Past arrivals of one distance before anything is said of the next: with fewer the ninth in ten is one man's bad day.
pub const ARRIVALS_MIN: u64 = 30;

/// An event's bytes: a record is at most 256 KiB, and the envelope takes its part.
pub const EVENT_BYTES_MAX: usize = 240 * 1024;
