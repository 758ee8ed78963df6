//! Names of commands, events and aggregates, and how they are found.

include!(concat!(env!("OUT_DIR"), "/names.rs"));

/// The aggregate that an event belongs to: the second last token of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Aggregate {
    Area,
    Organization,
    Responder,
    ConversionPlan,
    Incident,
    Unit,
    Site,
    Whistle,
    Call,
    Shift,
    Agreement,
    System,
}

impl Aggregate {
    /// The token used in subjects and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Area => "area",
            Self::Organization => "organization",
            Self::Responder => "responder",
            Self::ConversionPlan => "conversion_plan",
            Self::Incident => "incident",
            Self::Unit => "unit",
            Self::Site => "site",
            Self::Whistle => "whistle",
            Self::Call => "call",
            Self::Shift => "shift",
            Self::Agreement => "agreement",
            Self::System => "system",
        }
    }
}

/// The aggregate of an event tag. Tags are given out in ranges by aggregate; see `envelope.proto`.
pub fn aggregate_of(tag: u32) -> Aggregate {
    match tag {
        100..110 => Aggregate::Area,
        110..120 => Aggregate::Organization,
        120..140 => Aggregate::Responder,
        140..160 => Aggregate::ConversionPlan,
        160..180 => Aggregate::Incident,
        180..200 => Aggregate::Unit,
        200..220 => Aggregate::Site,
        220..240 | 330..350 => Aggregate::Whistle,
        240..280 | 320..330 => Aggregate::Call,
        290..310 => Aggregate::Shift,
        310..320 => Aggregate::Agreement,
        _ => Aggregate::System,
    }
}

/// The oneof field of a command by its name, e.g. `BlowWhistle` → `blow_whistle`.
pub fn command_field(name: &str) -> Option<&'static str> {
    COMMAND_NAMES.iter().find(|(_, known, _)| *known == name).map(|(_, _, field)| *field)
}

/// The tag of an event by its name (`WhistleBlown`) or field name (`whistle_blown`).
pub fn event_tag(name: &str) -> Option<u32> {
    ENVELOPE_NAMES.iter().find(|(_, known, field)| *known == name || *field == name).map(|(tag, _, _)| *tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for table in [COMMAND_NAMES, ENVELOPE_NAMES] {
            let mut names: Vec<_> = table.iter().map(|(_, name, _)| name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.len());
        }
        assert_eq!(command_field("BlowWhistle"), Some("blow_whistle"));
        assert_eq!(command_field("Nonsense"), None);
        assert_eq!(event_tag("WhistleBlown"), Some(220));
        assert_eq!(event_tag("whistle_blown"), Some(220));
    }
}
