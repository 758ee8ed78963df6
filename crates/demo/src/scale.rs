//! How large a demo is: the published figures at full scale, and smaller cuts of the same city. Owns every number of the
//! generation; must never be bypassed by a number elsewhere.

/// How much of the city is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Two counties cut down to a few villages and some hundred people: seconds in a debug build.
    Small,
    /// The outbreak's county alone, at the published scale.
    County,
    /// The whole city.
    City,
    /// The whole city with as many people and temporary organizations as in its largest outbreak.
    Stress,
}

/// The published practice of one county in one outbreak, or a cut of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutbreakSize {
    /// Temporary committees 临时党委.
    pub committees: usize,
    /// Temporary branches 临时党支部.
    pub branches: usize,
    /// Vanguard teams 先锋队.
    pub teams: usize,
    /// People called when the county converts at the level that the script uses.
    pub people: usize,
    /// People called besides when it is raised to Ⅰ.
    pub people_at_top: usize,
    /// Backups on standby.
    pub standby: usize,
    /// Primaries who are away, each with a backup of their own.
    pub away: usize,
}

/// The whole city's typhoon, in people, over all plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TyphoonSize {
    /// Seats from Ⅳ, Ⅲ, Ⅱ and Ⅰ on.
    pub seats: [usize; 4],
    /// On standby from Ⅳ on.
    pub standby: usize,
}

/// Every number of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Grids in the outbreak's county.
    pub outbreak_grids: usize,
    /// Grids elsewhere, those of the functional zones included.
    pub other_grids: usize,
    /// Organizations 单位.
    pub organizations: usize,
    /// People at home in the outbreak's county.
    pub outbreak_county_people: usize,
    /// People of the whole city.
    pub responders: usize,
    /// The outbreak's plans.
    pub outbreak: OutbreakSize,
    /// The typhoon's plans.
    pub typhoon: TyphoonSize,
}

/// The county of the outbreak: 霞山区.
pub const OUTBREAK_COUNTY: &str = "440803";
/// The county whose flood outranks the typhoon at every scale but [`Scale::County`]: 徐闻县.
pub const FLOOD_COUNTY: &str = "440825";

impl Scale {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::County => "county",
            Self::City => "city",
            Self::Stress => "stress",
        }
    }

    /// Its numbers.
    pub fn size(self) -> Size {
        let published =
            OutbreakSize { committees: 25, branches: 572, teams: 609, people: 6_800, people_at_top: 300, standby: 400, away: 60 };
        match self {
            Self::Small => Size {
                outbreak_grids: 24,
                other_grids: 26,
                organizations: 40,
                outbreak_county_people: 220,
                responders: 420,
                outbreak: OutbreakSize { committees: 5, branches: 9, teams: 11, people: 120, people_at_top: 8, standby: 18, away: 3 },
                typhoon: TyphoonSize { seats: [260, 50, 30, 12], standby: 40 },
            },
            Self::County => Size {
                outbreak_grids: 1_210,
                other_grids: 8,
                organizations: 260,
                outbreak_county_people: 9_000,
                responders: 9_000,
                outbreak: published,
                typhoon: TyphoonSize { seats: [6_600, 700, 400, 100], standby: 1_000 },
            },
            Self::City => Size {
                outbreak_grids: 1_210,
                other_grids: 3_790,
                organizations: 1_300,
                outbreak_county_people: 9_000,
                responders: 42_000,
                outbreak: published,
                typhoon: TyphoonSize { seats: [30_000, 3_500, 2_000, 500], standby: 5_000 },
            },
            Self::Stress => Size {
                outbreak_grids: 1_210,
                other_grids: 3_790,
                organizations: 1_300,
                outbreak_county_people: 9_000,
                responders: 100_000,
                outbreak: published,
                typhoon: TyphoonSize { seats: [74_000, 7_000, 4_000, 1_000], standby: 8_000 },
            },
        }
    }
}
