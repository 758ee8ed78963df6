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
/// Specialties of one person, functions and offices of one organization, tags and codes of one area.
pub const LABELS_MAX: usize = 64;
/// Sites or units of one plan. 500 of each, with their seats, stay below the record limit.
pub const PLAN_PARTS_MAX: usize = 500;
/// Seats of one site.
pub const SEATS_MAX: usize = 400;
/// Grids of one risk zone or beat: a county has about so many. 1,000 ids of 32 bytes, and as many areas concerned, stay below the record limit.
pub const GRIDS_MAX: usize = 1_000;
/// Sides of one agreement: where borders meet there are three or four.
pub const AGREEMENT_SIDES_MAX: usize = 8;
/// Supplies of one risk zone: kinds of goods.
pub const SUPPLIES_MAX: usize = 64;
/// Seats of one plan: with 500 sites and units a full draft stays below the record limit of 256 KiB.
pub const PLAN_SEATS_MAX: usize = 2_500;
/// Backups of one post: whom to ask next, in order.
pub const BACKUPS_MAX: usize = 8;
/// People in one list: reserved, nominated. 1,000 ids of 64 bytes stay below the record limit.
pub const PEOPLE_LIST_MAX: usize = 1_000;
/// Candidates in one proposal: a person decides, and nobody reads more.
pub const CANDIDATES_MAX: usize = 20;
/// People that one search for a need looks at, in parts of the tree where somebody could be called; or twice as many as are wanted where that is
/// more. A county's, and a few milliseconds of the engine's thread. Beyond it the joint assignment looks, which the planner works out.
pub const SEARCH_PEOPLE_MAX: usize = 10_000;
/// People that a group call chooses from, for the same reason: who calls more names a smaller area.
pub const GROUP_POOL_MAX: usize = 10_000;
/// Records since the state that a rehearsal was worked out on: more than a conversion of a whole city makes is another state.
pub const REHEARSAL_BEHIND_MAX: u64 = 100_000;
/// Lines of one fill proposal, and needs listed as unfilled: a city's worst hour, eight people for each of 500 whistles. Sums of costs stay
/// exact up to here.
pub const FILL_LINES_MAX: usize = 4_000;
/// Lines, and unfilled needs, in one part of a fill proposal: 250 of each with ids of 64 bytes stay below the record limit.
pub const FILL_PART: usize = 250;

/// Areas that are told of to have people who could be released: one asks its neighbours, and a proposal of 4,000 needs stays below the limit of
/// its command.
pub const DONORS_LISTED: usize = 8;

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
/// People named to ring somebody up: whoever has tried so many goes to the door.
pub const TELEPHONE_PEOPLE_MAX: usize = 12;
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
/// Continuous work from which somebody is tired: a shift of common length.
pub const FATIGUE_AMBER_MS: i64 = 8 * 3_600_000;
/// Continuous work from which somebody is a danger to others: the longest shift that ICS practice knows.
pub const FATIGUE_RED_MS: i64 = 12 * 3_600_000;
/// The rest due after a shift of common length or a longer one: a night's sleep.
pub const REST_FULL_MS: i64 = 8 * 3_600_000;
/// Less work than this is an errand and needs no rest of its own before the next duty.
pub const REST_FREE_MS: i64 = 2 * 3_600_000;
/// Observations of one person that late facts can still correct: several days of shifts, and phones that tell of a sighting more than once.
pub const HOURS_MARKS_MAX: usize = 32;
/// A shift is no longer than somebody may work without a break.
pub const SHIFT_MINUTES_MAX: u32 = 12 * 60;
/// Shifts of one day's pattern: every hour of the day is more than anybody plans.
pub const SHIFT_PATTERN_MAX: usize = 24;
/// Crews in rotation: a fortnight of different ones.
pub const CREWS_MAX: usize = 14;
/// Shifts of one command: a month of four a day, and bounded work for the sequencer.
pub const SCHEDULE_SHIFTS_MAX: usize = 124;
/// Lines of one command, over all its shifts, for the same reason.
pub const SCHEDULE_LINES_MAX: usize = 10_000;
/// How far ahead shifts are laid: a year, so that a mistaken date is seen.
pub const SCHEDULE_AHEAD_MS: i64 = 366 * 24 * 3_600_000;
/// Shifts in one record.
pub const SHIFTS_PART: usize = 200;
/// How long before a shift its people are called: time to answer, to be replaced, and to come.
pub const SHIFT_LEAD_MS: i64 = 60 * 60_000;
/// How often a shift without relief is looked at.
pub const SHIFT_LOOK_MS: i64 = 15 * 60_000;

/// Names stay readable for three years after the last duty: so long may claims from it be raised before a court (Civil Code, article 188).
pub const RETENTION_MS: i64 = 3 * 365 * 24 * 3_600_000;

/// Rows of one plan's lessons that are accepted at once: as many as a plan has seats, and as many again for people.
pub const LESSONS_MAX: usize = 2 * PLAN_SEATS_MAX;
/// Past arrivals of one distance before anything is said of the next: with fewer the ninth in ten is one man's bad day.
pub const ARRIVALS_MIN: u64 = 30;

/// An event's bytes: a record is at most 256 KiB, and the envelope takes its part.
pub const EVENT_BYTES_MAX: usize = 240 * 1024;
