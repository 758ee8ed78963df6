//! The table of rights: what each role may do at all, before its scope is looked at. One place, and data.
//!
//! The roles that only read (auditor, analyst, console) command nothing and have no column.

use crate::principal::Scope;
use crate::role::Role;

/// What a role may do with one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing.
    No,
    /// Within its scope.
    Own,
    /// Within its scope; with a ground where the office that is answerable lies below its own area.
    Ground,
}

/// The roles that command, in the order of the columns.
const COLUMNS: [Role; 8] = [
    Role::Headquarters,
    Role::OrganizationDepartment,
    Role::Township,
    Role::Community,
    Role::Department,
    Role::Secretary,
    Role::Organizer,
    Role::Responder,
];

/// One column a role, see [`COLUMNS`]: `o` own, `g` with a ground, `-` not at all.
///
/// Who calls whom: headquarters states needs and commands departments; the organization department allocates cadres and
/// members; streets and communities blow the whistle and call inside their own area; headquarters overrides with a ground.
/// What the blowing side decides, an area above decides with a ground. A department speaks for its organization, a secretary
/// and an organizer for their unit, a responder for nobody else.
const COMMANDS: &[(&str, &[u8; 8])] = &[
    // Area 辖区
    ("DefineArea", b"o-oo----"),
    ("ReparentArea", b"o-o-----"),
    ("RetireArea", b"o-o-----"),
    ("SwitchAutoFill", b"g-oo----"),
    ("SetFloor", b"gooo----"),
    // Organization 单位
    ("RegisterOrganization", b"ooo-----"),
    ("TieToArea", b"oooo----"),
    ("ReservePeople", b"go--o---"),
    ("NameOfficeHolder", b"ooo-o---"),
    // Responder 报到人员
    ("EnrollResponder", b"ooooo---"),
    ("ReportToCommunity", b"oooo---o"),
    ("TransferResponder", b"oo------"),
    ("SetSpecialties", b"ooooo---"),
    ("SetAvailability", b"goooo--o"),
    ("WithdrawResponder", b"gooo----"),
    ("AssignResponsibility", b"oooo----"),
    ("EndResponsibility", b"oooo----"),
    ("ErasePersonalData", b"oo------"),
    ("SetHold", b"oo------"),
    // ConversionPlan 转换预案
    ("DraftPlan", b"gooo----"),
    ("DesignatePost", b"gooo----"),
    ("PublishPlan", b"gooo----"),
    ("RehearsePlan", b"oooo----"),
    ("DraftNextVersion", b"gooo----"),
    // Incident 应急事件
    ("DeclareIncident", b"o-oo----"),
    ("ConvertArea", b"o-oo----"),
    ("ChangeResponse", b"o-oo----"),
    ("ChangeWarning", b"o-oo----"),
    ("ChangeGrade", b"o-oo----"),
    ("StandDownArea", b"o-oo----"),
    ("CloseIncident", b"o-oo----"),
    ("RecallArea", b"o-oo----"),
    ("ConfirmSafe", b"o-oooooo"),
    ("ResumeArea", b"o-oo----"),
    // Unit 编组
    ("EstablishUnit", b"oooo-o--"),
    ("AppointSecretary", b"goo-----"),
    ("AppointOrganizer", b"goo-----"),
    ("AttachResponder", b"gooo-o--"),
    ("DetachResponder", b"gooo-o--"),
    ("DissolveUnit", b"gooo----"),
    // Site 点位, RiskZone 风险区
    ("OpenSite", b"o-oo----"),
    ("SetRequirement", b"o-oo----"),
    ("CloseSite", b"o-oo----"),
    ("SetRisk", b"o-oo----"),
    ("SetBeat", b"o-oo----"),
    // Shifts 班次
    ("ScheduleShifts", b"gooo-o--"),
    ("OpenShift", b"gooo-o--"),
    ("CloseShift", b"gooo-o--"),
    ("SwapShift", b"gooo-o-o"),
    ("AnswerSwap", b"gooo-o-o"),
    ("HandOver", b"gooo-o-o"),
    // Whistle 哨
    ("BlowWhistle", b"g-oo-o--"),
    ("AcknowledgeWhistle", b"g-oo----"),
    ("EscalateWhistle", b"o-oo----"),
    ("MergeWhistles", b"g-oo----"),
    ("FulfilNeed", b"ooooo---"),
    ("ResolveWhistle", b"g-go----"),
    ("WithdrawWhistle", b"g-go----"),
    ("RateWhistle", b"g-go----"),
    ("ConfirmPart", b"g-go----"),
    // Call 征调
    ("DispatchResponder", b"gooo----"),
    ("CallGroup", b"gooo----"),
    ("CallOrganization", b"oooo----"),
    ("NominatePeople", b"go--o---"),
    ("AcknowledgeCall", b"gooooooo"),
    ("AcceptCall", b"gooooooo"),
    ("DeclineCall", b"gooooooo"),
    ("RecallResponder", b"gooo-o--"),
    ("RecallGroup", b"gooo----"),
    ("RelieveResponder", b"gooo-o--"),
    ("DeclareNoShow", b"gooo-oo-"),
    ("CheckIn", b"gooooooo"),
    ("CheckOut", b"gooooooo"),
    ("SettlePresence", b"gooo-oo-"),
    ("RecordDelivery", b"ooooo---"),
    // Fill 补位, reinforcement 跨区增援
    ("ProposeFill", b"oooo----"),
    ("DecideFill", b"gooo----"),
    ("ReleasePeople", b"gooo----"),
    ("RefuseReinforcement", b"gooo----"),
    // Agreement 边界联建协议
    ("SignAgreement", b"o-oo----"),
    ("InvokeAgreement", b"o-oo----"),
    ("EndAgreement", b"o-oo----"),
];

/// Commands that say how people are and move nobody: whoever leads a unit says it of the unit's own people, wherever they are.
const OF_PEOPLE_ANYWHERE: &[&str] = &["ConfirmSafe"];

/// One column a role, in the order of [`Role::ALL`]: `o` within its scope, `-` not at all. Calls and responders have rows about one person
/// each: they are for those who lead the persons, for their organization and for themselves, and for auditors.
const VIEWS: &[(&str, &[u8; 11])] = &[
    ("coverage", b"oooo-oo-ooo"),
    ("units", b"oooo-oo-ooo"),
    ("sites", b"oooo-oo-ooo"),
    ("whistles", b"oooo-oo-ooo"),
    ("calls", b"ooooooooo--"),
    ("responders", b"ooooooooo--"),
];

/// The command names of the table.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}

/// What a role may do with a command; nothing with a command that the table does not have.
#[must_use]
pub fn command_right(role: Role, command: &str) -> Right {
    let column = COLUMNS.iter().position(|known| *known == role);
    let row = COMMANDS.iter().find(|(name, _)| *name == command);
    match column.zip(row).map(|(column, (_, rights))| rights[column]) {
        Some(b'o') => Right::Own,
        Some(b'g') => Right::Ground,
        _ => Right::No,
    }
}

/// Whether a command only says how people are; see [`OF_PEOPLE_ANYWHERE`].
pub(crate) fn is_of_people_anywhere(command: &str) -> bool {
    OF_PEOPLE_ANYWHERE.contains(&command)
}

/// The view names of the table.
pub fn views() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().map(|(name, _)| *name)
}

/// Whether a role may read a view; none a view that the table does not have.
#[must_use]
pub fn view_right(role: Role, view: &str) -> bool {
    let column = Role::ALL.iter().position(|known| *known == role);
    let row = VIEWS.iter().find(|(name, _)| *name == view);
    column.zip(row).is_some_and(|(column, (_, rights))| rights[column] == b'o')
}

/// Whether a view has rows of what a scope is bound to. An area has rows in each; an organization and a person in those about persons; a
/// unit in its own, its sites', its people's and their calls'. A link leads to its own page and lists nothing.
pub(crate) fn has_rows_of(scope: &Scope, view: &str) -> bool {
    match scope {
        Scope::Everything | Scope::Area(_) => true,
        Scope::Organization(_) | Scope::Responder(_) => matches!(view, "calls" | "responders"),
        Scope::Unit(_) => matches!(view, "calls" | "responders" | "units" | "sites"),
        Scope::Call(_) => false,
    }
}

/// What else a role may do, beside commands and views.
pub mod reads {
    use crate::role::Role;

    /// Whether a role reads events.
    #[must_use]
    pub fn events(role: Role) -> bool {
        !matches!(role, Role::Department | Role::Responder)
    }

    /// Whether a role reads events as they are. Others get them without who acted, sealed fields and free text.
    #[must_use]
    pub fn persons_in_events(role: Role) -> bool {
        events(role) && !matches!(role, Role::Analyst | Role::Console)
    }

    /// Whether a role reads rows as they are. Others get them without the ids of persons and without free text.
    #[must_use]
    pub fn persons_in_rows(role: Role) -> bool {
        role != Role::Analyst
    }

    /// Whether a role may have plain names and telephone numbers of the people in its scope.
    #[must_use]
    pub fn names(role: Role) -> bool {
        !matches!(role, Role::Auditor | Role::Analyst | Role::Console)
    }

    /// Whether a role may make one-time links for calls in its scope.
    #[must_use]
    pub fn links(role: Role) -> bool {
        !matches!(role, Role::Organizer | Role::Responder | Role::Auditor | Role::Analyst | Role::Console)
    }

    /// Whether a role may take tables and files away.
    #[must_use]
    pub fn exports(role: Role) -> bool {
        matches!(role, Role::Headquarters | Role::OrganizationDepartment | Role::Auditor | Role::Analyst)
    }

    /// Whether a role sees status and metrics.
    #[must_use]
    pub fn operation(role: Role) -> bool {
        matches!(role, Role::Headquarters | Role::Auditor | Role::Console)
    }
}

#[cfg(test)]
mod tests {
    use muster_proto::COMMAND_NAMES;

    use super::*;

    /// A command without a row is nobody's, which would show only when somebody needs it.
    #[test]
    fn every_command_has_one_row() {
        for (_, name, _) in COMMAND_NAMES {
            assert_eq!(commands().filter(|known| known == name).count(), 1, "crates/access/src/table.rs has no row for {name}");
        }
    }

    #[test]
    fn a_row_has_only_known_signs() {
        for (name, rights) in COMMANDS {
            assert!(rights.iter().all(|right| b"og-".contains(right)), "{name}");
            assert_ne!(command_right(Role::Headquarters, name), Right::No, "{name}: headquarters can at least override");
        }
    }

    #[test]
    fn who_only_reads_commands_nothing() {
        for role in [Role::Auditor, Role::Analyst, Role::Console] {
            assert!(commands().all(|name| command_right(role, name) == Right::No));
        }
        assert_eq!(command_right(Role::Headquarters, "Nonsense"), Right::No);
    }
}
