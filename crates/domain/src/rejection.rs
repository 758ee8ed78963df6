//! Why a command is refused: a fact, its field, and its words in both languages.

/// How the caller should take a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// The command cannot be right as it is.
    Rejected,
    /// It would have been right before something else happened: look again.
    Conflict,
    /// What it names is not known.
    NotFound,
}

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident { $($field:ident : $type:ty),* $(,)? } $code:literal $kind:ident at $at:expr; zh $zh:literal; en $en:literal;)+) => {
        /// A rule of the domain that speaks against a command.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Rejection {
            $($(#[$doc])* $name { $($field: $type),* },)+
        }

        impl Rejection {
            /// Stable, snake_case; part of the outside contract.
            pub fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => $code,)+ }
            }

            /// How the caller should take it.
            pub fn kind(&self) -> RejectionKind {
                match self { $(Self::$name { .. } => RejectionKind::$kind,)+ }
            }

            /// The field of the command at fault, empty where none is.
            #[allow(unused_variables)]
            pub fn field(&self) -> &str {
                match self { $(Self::$name { $($field),* } => $at,)+ }
            }

            /// For people, in Chinese.
            #[allow(unused_variables)]
            pub fn zh(&self) -> String {
                match self { $(Self::$name { $($field),* } => format!($zh),)+ }
            }

            /// For people, in English.
            #[allow(unused_variables)]
            pub fn en(&self) -> String {
                match self { $(Self::$name { $($field),* } => format!($en),)+ }
            }
        }
    };
}

rejections! {
    // Form
    FieldMissing { field: &'static str } "field_missing" Rejected at field;
        zh "缺少字段 {field}"; en "the field {field} is missing";
    FieldInvalid { field: &'static str, reason_zh: &'static str, reason_en: &'static str } "field_invalid" Rejected at field;
        zh "字段 {field} 无效：{reason_zh}"; en "the field {field} is invalid: {reason_en}";
    IdInvalid { field: &'static str, id: String } "id_invalid" Rejected at field;
        zh "字段 {field} 的编号“{id}”无效：只允许字母、数字和 . _ : -（辖区与情景编号只允许字母、数字、_ 和 -），长度有限"; en "the id {id:?} in {field} is invalid: letters, digits and . _ : - only (areas and realms: letters, digits, _ and -), of limited length";
    TooMany { field: &'static str, max: usize } "too_many" Rejected at field;
        zh "字段 {field} 的条目过多，最多 {max} 条"; en "too many entries in {field}: at most {max}";
    RecordTooLarge { bytes: usize, max: usize } "record_too_large" Rejected at "";
        zh "内容过大：{bytes} 字节，最多 {max} 字节"; en "the content is too large: {bytes} bytes, at most {max}";
    TooLong { field: &'static str, max: usize } "too_long" Rejected at field;
        zh "字段 {field} 过长，最多 {max} 字节"; en "{field} is too long: at most {max} bytes";
    AlreadyExists { field: &'static str, id: String } "already_exists" Conflict at field;
        zh "{field} “{id}”已存在"; en "{field} {id:?} exists already";
    OfficeRequired {} "office_required" Rejected at "context.actor_office.area_id";
        zh "此命令须注明以哪个辖区的职务下达（context.actor_office.area_id）"; en "this command needs the office it is given in (context.actor_office.area_id)";
    GroundRequired {} "ground_required" Rejected at "context.basis";
        zh "代他人录入须注明依据（context.basis）"; en "recording for somebody else needs the ground it rests on (context.basis)";
    NotTheAuthority { office: String, area: String } "not_the_authority" Rejected at "context.actor_office.area_id";
        zh "辖区“{office}”无权对“{area}”下令：只有本级或上级可以"; en "the office of area {office:?} has no authority over {area:?}: only the area itself or one above";

    // Area
    UnknownArea { field: &'static str, id: String } "unknown_area" NotFound at field;
        zh "没有辖区“{id}”"; en "there is no area {id:?}";
    AreaRetired { field: &'static str, id: String } "area_retired" Rejected at field;
        zh "辖区“{id}”已撤销"; en "the area {id:?} is retired";
    SecondRoot { root: String } "second_root" Rejected at "parent_id";
        zh "缺少上级：全市只有一个根辖区“{root}”"; en "a parent is missing: the tree has one root, {root:?}";
    LevelNotBelow { parent: String } "level_not_below_parent" Rejected at "level";
        zh "层级必须低于上级辖区“{parent}”"; en "the level must be below that of the parent {parent:?}";
    AreaCycle { id: String } "area_cycle" Rejected at "parent_id";
        zh "辖区“{id}”不能归到自己或自己的下级之下"; en "the area {id:?} cannot be put below itself";
    AreaInUse { id: String, reason_zh: &'static str, reason_en: &'static str } "area_in_use" Rejected at "area_id";
        zh "辖区“{id}”仍在使用：{reason_zh}"; en "the area {id:?} is in use: {reason_en}";

    // Organization and responder
    UnknownOrganization { field: &'static str, id: String } "unknown_organization" NotFound at field;
        zh "没有单位“{id}”"; en "there is no organization {id:?}";
    UnknownResponder { field: &'static str, id: String } "unknown_responder" NotFound at field;
        zh "没有人员“{id}”"; en "there is no responder {id:?}";
    ResponderWithdrawn { id: String } "responder_withdrawn" Rejected at "responder_id";
        zh "人员“{id}”已退出"; en "the responder {id:?} has withdrawn";
    ResponderUnavailable { id: String, kind: &'static str } "responder_unavailable" Rejected at "responder_id";
        zh "人员“{id}”目前不可调度（{kind}）"; en "the responder {id:?} is not available now ({kind})";
    ResponderReserved { id: String, organization: String } "responder_reserved" Rejected at "responder_id";
        zh "人员“{id}”由本单位“{organization}”留用"; en "the responder {id:?} is kept back by the organization {organization:?}";
    NotOfOrganization { id: String, organization: String } "not_of_organization" Rejected at "responder_ids";
        zh "人员“{id}”不属于单位“{organization}”"; en "the responder {id:?} does not belong to the organization {organization:?}";
    ResponderOnDuty { id: String, call: String } "responder_on_duty" Rejected at "responder_id";
        zh "人员“{id}”仍有任务（征调 {call}）"; en "the responder {id:?} still has a duty (call {call})";

    NotResponsible { id: String, area: String } "not_responsible" Conflict at "responder_id";
        zh "人员“{id}”在辖区“{area}”没有此项包干责任"; en "the responder {id:?} has no such responsibility for the area {area:?}";
    ActorRequired {} "actor_required" Rejected at "context.actor";
        zh "此命令须注明由谁下达（context.actor）"; en "this command needs who gives it (context.actor)";
    ResponderNotWithdrawn { id: String } "responder_not_withdrawn" Rejected at "responder_id";
        zh "人员“{id}”尚未退出，个人信息不能删除"; en "the responder {id:?} has not withdrawn: the personal data is in use";
    PresenceOpen { id: String } "presence_open" Conflict at "responder_id";
        zh "人员“{id}”仍在岗或在岗记录待核实，个人信息不能删除"; en "the responder {id:?} is seen on post or waits to be settled: the personal data is in use";
    RetentionRunning { id: String, until: String } "retention_running" Rejected at "responder_id";
        zh "人员“{id}”的履职记录须保存到 {until}，之前不能删除个人信息"; en "the records of the duties of {id:?} are kept until {until}: the personal data is not erased before";
    UnderHold { id: String, reason: String } "under_hold" Rejected at "responder_id";
        zh "人员“{id}”的信息正在留存（{reason}），不能删除"; en "the data of {id:?} is under a hold ({reason}) and is not erased";
    SecondPersonNeeded { id: String, by: String } "second_person_needed" Conflict at "context.actor";
        zh "删除人员“{id}”的个人信息已由“{by}”提出，须由另一人确认"; en "{by:?} has asked to erase the personal data of {id:?}: another person must agree";
    PersonalDataErased { id: String } "personal_data_erased" Rejected at "responder_id";
        zh "人员“{id}”的个人信息已删除"; en "the personal data of {id:?} has been erased";

    // Plan
    UnknownPlan { id: String } "unknown_plan" NotFound at "plan_id";
        zh "没有预案“{id}”"; en "there is no plan {id:?}";
    PlanDraftOpen { id: String } "plan_draft_open" Conflict at "plan_id";
        zh "预案“{id}”已有未发布的草案"; en "the plan {id:?} has an open draft";
    PlanHasNoDraft { id: String } "plan_has_no_draft" Conflict at "plan_id";
        zh "预案“{id}”没有草案；已发布的版本不可更改"; en "the plan {id:?} has no draft; a published version never changes";
    RehearsalOutdated { plan: String } "rehearsal_outdated" Conflict at "base_position";
        zh "预案“{plan}”的推演结果已过时：推演之后预案版本已变，或记录已多；请重新推演"; en "the rehearsal of the plan {plan:?} is out of date: since then another version was published, or too much was recorded; rehearse it again";
    PlanNotPublished { id: String } "plan_not_published" Conflict at "plan_id";
        zh "预案“{id}”还没有发布的版本，不能推演"; en "the plan {id:?} has no published version to rehearse";
    PlanNotStoodDown { plan: String, incident: String } "plan_not_stood_down" Conflict at "incident_id";
        zh "预案“{plan}”在事件“{incident}”中没有转换，或尚未解除响应"; en "the plan {plan:?} was not converted for the incident {incident:?}, or has not stood down yet";
    LessonUnknown { row: String } "lesson_unknown" Conflict at "row_ids";
        zh "复盘中没有“{row}”这一行，或情况已变：请重新查看"; en "{row:?} is not, or no longer, a row of the lessons: look at them again";
    LessonConflict { row: String } "lesson_conflict" Rejected at "row_ids";
        zh "“{row}”与另一行所改的是同一处，只能采纳其一"; en "{row:?} and another row change the same: only one of them can be accepted";
    LessonNeeded { row: String } "lesson_needed" Rejected at "row_ids";
        zh "必须采纳“{row}”或另一行：其人已退出或由单位留用，新版预案不能再指定"; en "{row:?}, or another row that takes the person away, has to be accepted: the next version cannot name somebody who has left or is kept back";
    PlanScopeChanged { id: String } "plan_scope_changed" Rejected at "plan_id";
        zh "预案“{id}”的辖区或事件类型不可更改"; en "area and incident type of the plan {id:?} cannot change";
    PlanPartUnknown { field: &'static str, key: String } "plan_part_unknown" NotFound at field;
        zh "预案中没有“{key}”（{field}）"; en "the plan has no {key:?} ({field})";
    PlanPartRepeated { field: &'static str, key: String } "plan_part_repeated" Rejected at field;
        zh "预案中“{key}”重复（{field}）"; en "{key:?} stands twice in the plan ({field})";
    PlanAreaOutside { field: &'static str, id: String } "plan_area_outside" Rejected at field;
        zh "辖区“{id}”不在预案辖区之内"; en "the area {id:?} is outside the plan's area";
    SeatDesignated { seat: String } "seat_designated" Conflict at "seat_key";
        zh "席位“{seat}”已指定人员"; en "the seat {seat:?} is designated already";
    PrimaryPostTaken { responder: String, plan: String } "primary_post_taken" Conflict at "responder_id";
        zh "人员“{responder}”在预案“{plan}”中已有同类事件同级响应的主岗"; en "the responder {responder:?} has a primary post for this incident type and tier in plan {plan:?}";

    // Incident
    UnknownIncident { id: String } "unknown_incident" NotFound at "incident_id";
        zh "没有事件“{id}”"; en "there is no incident {id:?}";
    IncidentIsClosed { id: String } "incident_closed" Conflict at "incident_id";
        zh "事件“{id}”已结束"; en "the incident {id:?} is closed";
    IncidentStillActive { id: String, reason_zh: &'static str, reason_en: &'static str } "incident_still_active" Conflict at "incident_id";
        zh "事件“{id}”还不能结束：{reason_zh}"; en "the incident {id:?} cannot be closed yet: {reason_en}";
    OutsideIncident { area: String, incident: String } "outside_incident" Rejected at "area_id";
        zh "辖区“{area}”不在事件“{incident}”的范围内"; en "the area {area:?} is outside the incident {incident:?}";
    NoPlanToConvert { area: String } "no_plan_to_convert" Rejected at "area_id";
        zh "辖区“{area}”及其下级没有已发布的此类转换预案"; en "neither the area {area:?} nor one below has a published plan for this type of incident";
    AreaStandingDown { area: String } "area_standing_down" Conflict at "area_id";
        zh "辖区“{area}”正在解除响应"; en "the area {area:?} is standing down";
    NotConverted { area: String } "not_converted" Conflict at "area_id";
        zh "辖区“{area}”在此事件中没有转换"; en "the area {area:?} is not converted for this incident";

    // Unit and site
    UnknownUnit { field: &'static str, id: String } "unknown_unit" NotFound at field;
        zh "没有编组“{id}”"; en "there is no unit {id:?}";
    UnitIsDissolved { id: String } "unit_dissolved" Conflict at "unit_id";
        zh "编组“{id}”已撤销"; en "the unit {id:?} is dissolved";
    UnitHasPeopleOnPost { id: String } "unit_has_people_on_post" Conflict at "unit_id";
        zh "编组“{id}”还有人在岗，不能撤销"; en "the unit {id:?} has people on post and cannot be dissolved";
    UnitHasSubunits { id: String } "unit_has_subunits" Conflict at "unit_id";
        zh "编组“{id}”还有下级编组"; en "the unit {id:?} still has units below it";
    HomeUnitTaken { responder: String, unit: String } "home_unit_taken" Conflict at "responder_id";
        zh "人员“{responder}”在本事件中已编入“{unit}”"; en "the responder {responder:?} belongs to the unit {unit:?} in this incident";
    NotInUnit { responder: String, unit: String } "not_in_unit" Rejected at "responder_id";
        zh "人员“{responder}”不在编组“{unit}”"; en "the responder {responder:?} is not in the unit {unit:?}";
    UnitNotApproved { id: String } "unit_not_approved" Rejected at "unit_id";
        zh "编组“{id}”尚未批复"; en "the unit {id:?} is not approved";
    UnitWithoutSecretary { id: String } "unit_without_secretary" Rejected at "unit_id";
        zh "编组“{id}”尚无书记，不能行动"; en "the unit {id:?} has no secretary and cannot act";
    OtherIncident { field: &'static str, id: String } "other_incident" Rejected at field;
        zh "“{id}”属于另一事件"; en "{id:?} belongs to another incident";
    UnknownSite { field: &'static str, id: String } "unknown_site" NotFound at field;
        zh "没有点位“{id}”"; en "there is no site {id:?}";
    SiteIsClosed { id: String } "site_closed" Conflict at "site_id";
        zh "点位“{id}”已关闭"; en "the site {id:?} is closed";
    SiteInUse { id: String } "site_in_use" Conflict at "site_id";
        zh "点位“{id}”还有人在岗或有任务"; en "the site {id:?} still has people or duties";
    UnknownSeat { seat: String, site: String } "unknown_seat" NotFound at "seat_id";
        zh "点位“{site}”没有席位“{seat}”"; en "the site {site:?} has no seat {seat:?}";
    SeatTaken { seat: String, call: String } "seat_taken" Conflict at "seat_id";
        zh "席位“{seat}”已有人（征调 {call}）"; en "the seat {seat:?} is taken (call {call})";

    SiteKindMismatch { id: String } "site_kind_mismatch" Rejected at "site_id";
        zh "点位“{id}”的类型不符：风险等级只用于风险区，巡逻范围只用于流动点位"; en "the site {id:?} is of another kind: risks are those of risk zones, beats those of mobile patrols";
    NotAGrid { id: String } "not_a_grid" Rejected at "grid_ids";
        zh "辖区“{id}”不是网格"; en "the area {id:?} is not a grid";
    GridOutsideIncident { id: String, incident: String } "grid_outside_incident" Rejected at "grid_ids";
        zh "网格“{id}”不在事件“{incident}”的范围内"; en "the grid {id:?} is outside the incident {incident:?}";
    RiskNotLifted { field: &'static str, id: String } "risk_not_lifted" Conflict at field;
        zh "风险区“{id}”尚未解除风险，不能关闭；先解除（SetRisk，LIFTED）"; en "the risk of the zone {id:?} is not lifted, so that it cannot be closed: lift it first (SetRisk, LIFTED)";
    SiteSuspended { id: String } "site_suspended" Conflict at "site_id";
        zh "点位“{id}”所在辖区正在避险，席位暂停；恢复（ResumeArea）后再派人"; en "the area of the site {id:?} takes shelter and its seats are suspended: call people after it has resumed (ResumeArea)";
    NotRecalled { area: String } "not_recalled" Conflict at "area_id";
        zh "辖区“{area}”在此事件中没有避险"; en "the area {area:?} does not take shelter in this incident";
    NotCalledIn { id: String } "not_called_in" Conflict at "responder_ids";
        zh "没有要求人员“{id}”避险"; en "the responder {id:?} was not called in to shelter";
    PeopleUnaccounted { area: String, people: usize } "people_unaccounted" Rejected at "reason";
        zh "辖区“{area}”还有 {people} 人未确认安全；恢复须写明理由"; en "{people} people of the area {area:?} have not confirmed that they are safe: resuming needs a reason";

    // Agreement
    UnknownAgreement { id: String } "unknown_agreement" NotFound at "agreement_id";
        zh "没有联建协议“{id}”"; en "there is no agreement {id:?}";
    AgreementIsEnded { id: String } "agreement_ended" Conflict at "agreement_id";
        zh "联建协议“{id}”已终止"; en "the agreement {id:?} has ended";
    AgreementTextDiffers { field: &'static str, id: String } "agreement_text_differs" Rejected at field;
        zh "与联建协议“{id}”已签的文本不一致：{field}"; en "{field} is not what the first signature of the agreement {id:?} says";
    AgreementIsSigned { id: String, document_no: String } "agreement_signed" Conflict at "document_no";
        zh "该方已以“{document_no}”签署联建协议“{id}”"; en "this side has signed the agreement {id:?} with {document_no:?}";
    AgreementNotInForce { id: String } "agreement_not_in_force" Conflict at "agreement_id";
        zh "联建协议“{id}”尚未由各方签齐"; en "not all sides have signed the agreement {id:?}";
    AgreementIsInvoked { id: String, unit: String } "agreement_invoked" Conflict at "agreement_id";
        zh "联建协议“{id}”已启用，联合党委为“{unit}”"; en "the agreement {id:?} is invoked, with the joint committee {unit:?}";
    NotASide { id: String, agreement: String } "not_a_side" Rejected at "area_id";
        zh "“{id}”不是联建协议“{agreement}”的一方"; en "{id:?} is no side of the agreement {agreement:?}";

    // Whistle
    UnknownWhistle { field: &'static str, id: String } "unknown_whistle" NotFound at field;
        zh "没有哨“{id}”"; en "there is no whistle {id:?}";
    WhistleEnded { id: String } "whistle_ended" Conflict at "whistle_id";
        zh "哨“{id}”已办结、合并或撤回"; en "the whistle {id:?} has ended";
    WhistleNotEnded { id: String } "whistle_not_resolved" Conflict at "whistle_id";
        zh "哨“{id}”尚未办结，不能评价"; en "the whistle {id:?} is not resolved and cannot be rated";
    WhistleAlreadyRated { id: String } "whistle_rated" Conflict at "whistle_id";
        zh "哨“{id}”已评价"; en "the whistle {id:?} is rated already";
    NotTheBlowingSide { office: String, area: String } "not_the_blowing_side" Rejected at "context.actor_office.area_id";
        zh "只有吹哨方“{area}”可以确认或评价，“{office}”不可以"; en "only the blowing side {area:?} confirms and rates, not {office:?}";
    WhistleAtTop { id: String } "whistle_at_top" Rejected at "whistle_id";
        zh "哨“{id}”已提到最高一级"; en "the whistle {id:?} is at the highest level already";
    UnknownNeed { need: String, whistle: String } "unknown_need" NotFound at "need_id";
        zh "哨“{whistle}”没有需求“{need}”"; en "the whistle {whistle:?} has no need {need:?}";
    NeedIsMet { need: String } "need_met" Conflict at "need_id";
        zh "需求“{need}”已满足"; en "the need {need:?} is met already";
    PartIsConfirmed { need: String } "part_confirmed" Conflict at "need_id";
        zh "需求“{need}”已由吹哨方确认办完"; en "the blowing side has confirmed that the part {need:?} is done";
    PartNotConfirmed { whistle: String, need: String, area: String } "part_not_confirmed" Rejected at "context.basis";
        zh "事不完、人不撤：哨“{whistle}”的需求“{need}”尚未由吹哨方“{area}”确认；由他方召回须写明依据（context.basis）"; en "the blowing side {area:?} has not confirmed the part {need:?} of the whistle {whistle:?}: recalling its people from another side needs a ground (context.basis)";
    LeadTaken { organization: String, call: String } "lead_taken" Conflict at "lead";
        zh "已有牵头单位“{organization}”（征调 {call}）"; en "the organization {organization:?} leads already (call {call})";
    NeedKindMismatch { need: String } "need_kind_mismatch" Rejected at "need_id";
        zh "需求“{need}”的类别不符"; en "the need {need:?} is of another kind";
    MergeIntoItself {} "merge_into_itself" Rejected at "into_whistle_id";
        zh "哨不能并入自己"; en "a whistle cannot be merged into itself";
    MergeAcrossRealms {} "merge_across_realms" Rejected at "into_whistle_id";
        zh "演练与实战的哨不能合并"; en "whistles of different realms cannot be merged";

    WhistleHasDuties { id: String, call: String } "whistle_has_duties" Conflict at "whistle_id";
        zh "哨“{id}”还有人正在响应（征调 {call}），先召回再合并"; en "people answer the whistle {id:?} (call {call}): recall them before merging";

    // Fill
    UnknownFillProposal { id: String } "unknown_fill_proposal" NotFound at "proposal_id";
        zh "没有补位建议“{id}”"; en "there is no fill proposal {id:?}";
    FillProposalReplaced { id: String, by: String } "fill_proposal_replaced" Conflict at "proposal_id";
        zh "补位建议“{id}”已被新的建议“{by}”取代"; en "the fill proposal {id:?} was replaced by {by:?}";
    UnknownFillLine { line: String, proposal: String } "unknown_fill_line" NotFound at "decisions.line_id";
        zh "补位建议“{proposal}”没有第“{line}”条"; en "the fill proposal {proposal:?} has no line {line:?}";
    WhistleOutside { field: &'static str, whistle: String, area: String } "whistle_outside" Rejected at field;
        zh "哨“{whistle}”不属于此情景或不在辖区“{area}”内"; en "the whistle {whistle:?} is of another realm, or outside the area {area:?}";

    // Call and presence
    UnknownCall { id: String } "unknown_call" NotFound at "call_id";
        zh "没有征调“{id}”"; en "there is no call {id:?}";
    CallIsOver { id: String } "call_over" Conflict at "call_id";
        zh "征调“{id}”已结束"; en "the call {id:?} is over";
    CallPhaseWrong { id: String, phase: &'static str } "call_phase" Conflict at "call_id";
        zh "征调“{id}”的状态（{phase}）不允许此操作"; en "the call {id:?} is {phase}, which does not allow this";
    ResponderAlreadyOnDuty { id: String, call: String, incident: String } "responder_already_on_duty" Conflict at "responder_id";
        zh "人员“{id}”已有时间重叠的任务（征调 {call}，事件“{incident}”）"; en "the responder {id:?} has an overlapping duty (call {call}, incident {incident:?})";
    RestRequired { id: String, rested_at_ms: i64 } "rest_required" Rejected at "responder_id";
        zh "人员“{id}”尚未休息够，到 {rested_at_ms}（毫秒时间戳）方可上岗；确需上岗须写明理由（rest_override_reason）"; en "the responder {id:?} is not rested before {rested_at_ms} (Unix milliseconds): calling them all the same needs rest_override_reason";
    ReleaseRequired { id: String, home: String } "release_required" Rejected at "released_by_area_id";
        zh "人员“{id}”属于“{home}”，跨区增援须由该区或共同上级放行"; en "the responder {id:?} is of {home:?}: moving needs the release of that area or a common superior";
    UnknownRequest { id: String } "unknown_request" NotFound at "request_id";
        zh "没有增援请求“{id}”"; en "there is no request for reinforcement {id:?}";
    RequestIsOver { id: String } "request_over" Conflict at "request_id";
        zh "增援请求“{id}”已答复、过时或不再需要"; en "the request for reinforcement {id:?} was answered, lapsed or is no longer needed";
    NotOfArea { id: String, area: String } "not_of_area" Rejected at "responder_ids";
        zh "人员“{id}”不属于辖区“{area}”"; en "the responder {id:?} is not of the area {area:?}";
    SelectionUnbounded {} "selection_unbounded" Rejected at "selection.area_id";
        zh "选择须至少指明辖区（selection.area_id）、单位（organization_id）、编组（unit_id）、备勤（on_standby）或名单（responder_ids）之一"; en "a selection names at least one of area (selection.area_id), organization (organization_id), unit (unit_id), people standing by (on_standby) or people by name (responder_ids)";
    SelectionTooWide { field: &'static str, max: usize } "selection_too_wide" Rejected at field;
        zh "{field} 所选范围超过 {max} 人，请缩小范围"; en "{field} selects from more than {max} people: name a smaller group";
    NobodySelected {} "nobody_selected" NotFound at "selection";
        zh "没有符合条件的人员"; en "nobody answers to the selection";
    SelectionMixed {} "selection_mixed" Rejected at "selection";
        zh "选择人员时，名单与其他条件不能并用"; en "a selection names people or what they have in common, not both";
    NoFreeSeat { site: String } "no_free_seat" Conflict at "site_id";
        zh "点位“{site}”没有空席"; en "the site {site:?} has no free seat";
    SpecialtyMissing { id: String } "specialty_missing" Rejected at "responder_id";
        zh "人员“{id}”没有空缺岗位所要求的特长"; en "the responder {id:?} has none of the specialties that are still asked for";
    ScopeRequired {} "scope_required" Rejected at "incident_id";
        zh "须指明事件（incident_id）、点位（site_id）或哨（whistle_id）之一"; en "name one of incident (incident_id), site (site_id) or whistle (whistle_id)";
    FloorReached { area: String, minimum: u32, free: u32 } "floor_reached" Conflict at "responder_id";
        zh "辖区“{area}”须留守 {minimum} 人，现有空闲 {free} 人，不能再调出"; en "the area {area:?} keeps {minimum} people free and has {free}: nobody more can be called away";
    TargetRequired {} "target_required" Rejected at "site_id";
        zh "须指明席位（site_id、seat_id）或需求（whistle_id、need_id）之一"; en "name either a seat (site_id, seat_id) or a need (whistle_id, need_id)";
    PeriodInvalid {} "period_invalid" Rejected at "until_ms";
        zh "结束时间必须晚于开始时间"; en "the period must end after it begins";
    PlaceRequired {} "place_required" Rejected at "site_id";
        zh "须指明点位或哨"; en "name a site or a whistle";
    NotOnPost { id: String } "not_on_post" Conflict at "responder_id";
        zh "人员“{id}”不在此岗"; en "the responder {id:?} is not on this post";
    NothingToSettle { id: String } "nothing_to_settle" Conflict at "responder_id";
        zh "人员“{id}”没有待核实的在岗记录"; en "there is no presence of {id:?} to settle";

    // Shift
    UnknownShift { field: &'static str, id: String } "unknown_shift" NotFound at field;
        zh "没有班次“{id}”"; en "there is no shift {id:?}";
    ShiftPhaseWrong { id: String, phase: &'static str } "shift_phase" Conflict at "shift_id";
        zh "班次“{id}”的状态（{phase}）不允许此操作"; en "the shift {id:?} is {phase}, which does not allow this";
    ShiftsOverlap { site: String, shift: String, other: String } "shifts_overlap" Conflict at "pattern";
        zh "点位“{site}”的“{shift}”班次与“{other}”时间重叠，同一席位不能同时排两班"; en "at the site {site:?} a {shift:?} shift overlaps {other:?}: a seat has one shift at a time";
    RosterOverlap { field: &'static str, id: String, shift: String } "roster_overlap" Conflict at field;
        zh "人员“{id}”已排在时间重叠的班次“{shift}”"; en "the responder {id:?} is rostered for the overlapping shift {shift:?}";
    RosterBreaksRest { field: &'static str, id: String, shift: String } "roster_breaks_rest" Conflict at field;
        zh "人员“{id}”与班次“{shift}”之间休息时间不足"; en "the responder {id:?} would have too little rest beside the shift {shift:?}";
    RosterAbsent { field: &'static str, id: String, shift: String, kind: &'static str } "roster_absent" Conflict at field;
        zh "人员“{id}”在班次“{shift}”期间不能到岗（{kind}）"; en "the responder {id:?} is away during the shift {shift:?} ({kind})";
    SpecialtyRequired { field: &'static str, id: String, specialty: String } "specialty_required" Rejected at field;
        zh "人员“{id}”没有席位所需的特长“{specialty}”"; en "the responder {id:?} lacks the specialty {specialty:?} that the seat needs";
    NotRostered { field: &'static str, id: String, shift: String } "not_rostered" Conflict at field;
        zh "人员“{id}”没有排在班次“{shift}”"; en "the responder {id:?} is not rostered for the shift {shift:?}";
    ShiftBelowMinimum { id: String, on_post: u32, minimum: u32 } "shift_below_minimum" Rejected at "waiver_reason";
        zh "班次“{id}”接班在岗 {on_post} 人，少于最低 {minimum} 人：须先交接班，或凭文件写明豁免理由（waiver_reason）"; en "for the shift {id:?} {on_post} people are on post to take over, below the minimum of {minimum}: hand over first, or give a waiver_reason with a document as basis";
    ItemsNotHandedOver { items: String } "items_not_handed_over" Rejected at "whistle_ids";
        zh "交接遗漏未办结事项：{items}"; en "open items are not handed over: {items}";
    OtherSite { field: &'static str, id: String } "other_site" Rejected at field;
        zh "征调“{id}”不在同一点位"; en "the call {id:?} is for another site";
    UnknownSwap { id: String } "unknown_swap" NotFound at "swap_id";
        zh "没有换班申请“{id}”"; en "there is no proposal {id:?} to swap shifts";
    SwapIsOver { id: String } "swap_over" Conflict at "swap_id";
        zh "换班申请“{id}”已答复"; en "the proposal {id:?} to swap shifts has been answered";
    SwapOfAnother { id: String, other: String } "swap_of_another" Rejected at "responder_id";
        zh "换班申请“{id}”须由“{other}”答复"; en "the proposal {id:?} to swap shifts is for {other:?} to answer";
    UnknownRealm { id: String } "unknown_realm" NotFound at "realm";
        zh "没有情景“{id}”"; en "there is no realm {id:?}";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_what_they_are_about() {
        let refusal = Rejection::UnknownArea { field: "parent_id", id: "9999".to_owned() };
        assert_eq!(refusal.code(), "unknown_area");
        assert_eq!(refusal.field(), "parent_id");
        assert_eq!(refusal.kind(), RejectionKind::NotFound);
        assert!(refusal.zh().contains("9999") && refusal.en().contains("9999"));
    }
}
