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
/// Lines of one fill proposal, and needs listed as unfilled: a city's worst hour, eight people for each of 500 whistles. Sums of costs stay
/// exact up to here.
pub const FILL_LINES_MAX: usize = 4_000;
/// Lines, and unfilled needs, in one part of a fill proposal: 250 of each with ids of 64 bytes stay below the record limit.
pub const FILL_PART: usize = 250;

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

/// An event's bytes: a record is at most 256 KiB, and the envelope takes its part.
pub const EVENT_BYTES_MAX: usize = 240 * 1024;
