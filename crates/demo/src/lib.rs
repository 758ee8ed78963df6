//! The demo city: the real tree of Zhanjiang, generated people, the scenario that is played on it, and a count of the views that
//! shares no code with their folds. It must never do IO, read a clock or use entropy: one seed gives one city, one list of
//! commands and, on the demo's clock, one log.

mod checks;
mod city;
mod command;
mod dice;
mod moving;
pub mod naive;
mod names;
mod organizations;
mod peacetime;
mod plans;
mod roster;
mod scale;
pub mod script;
mod stage;
mod tree;

pub use checks::{Broken, Checked, Checker, Plain, PlainScanner, check_records};
pub use city::{City, CityFigures, START_MS};
pub use command::{Outcome, ScriptCommand, Voice};
pub use dice::Dice;
pub use moving::{Moved, MovingChecker, Unreleased};
pub use organizations::Organization;
pub use peacetime::Section;
pub use plans::Plan;
pub use roster::{Responder, SPECIALTIES};
pub use scale::{FLOOD_COUNTY, OUTBREAK_COUNTY, OutbreakSize, Scale, Size, TyphoonSize};
pub use stage::{Stage, StageError};
pub use tree::{Area, CITY, NEW_DISTRICT, TECH_ZONE, Tree};
