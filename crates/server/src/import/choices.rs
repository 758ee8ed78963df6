//! Words for the contract's enumerations, as people write them in tables. Owns the words; the names on the right are the
//! contract's.

use super::table::folded;
use crate::words::Words;

/// One member of an enumeration.
#[derive(Debug)]
pub(super) struct Choice {
    /// The name in the contract.
    pub(super) value: &'static str,
    /// The English word.
    pub(super) en: &'static str,
    /// Chinese words, the usual one first.
    pub(super) zh: &'static [&'static str],
}

const fn choice(value: &'static str, en: &'static str, zh: &'static [&'static str]) -> Choice {
    Choice { value, en, zh }
}

/// The member that `written` means.
pub(super) fn find(choices: &'static [Choice], written: &str) -> Option<&'static str> {
    let written = folded(written);
    let means = |word: &str| folded(word) == written;
    choices
        .iter()
        .find(|choice| means(choice.value) || means(choice.en) || choice.zh.iter().any(|word| means(word)))
        .map(|choice| choice.value)
}

/// The usual words for a member; empty for none.
pub(super) fn words_of(choices: &[Choice], value: &str) -> Words {
    choices.iter().find(|choice| choice.value == value).map(|choice| Words::new(choice.zh[0], choice.en)).unwrap_or_default()
}

/// Why a word is none of `choices`.
pub(super) fn not_one_of(choices: &[Choice]) -> Words {
    let zh: Vec<&str> = choices.iter().map(|choice| choice.zh[0]).collect();
    let en: Vec<&str> = choices.iter().map(|choice| choice.en).collect();
    Words::new(format!("不是可用的值；可用：{}", zh.join("、")), format!("not one of: {}", en.join(", ")))
}

/// 层级, from the top.
pub(super) const AREA_LEVELS: &[Choice] = &[
    choice("AREA_LEVEL_CITY", "city", &["市", "地级市", "市级", "设区市"]),
    choice("AREA_LEVEL_COUNTY", "county", &["县", "区", "县区", "县市区", "县级", "县级市", "功能区", "县、市、区"]),
    choice("AREA_LEVEL_TOWNSHIP", "township", &["镇街", "镇", "街道", "乡镇", "乡", "乡镇街道", "镇级", "街镇"]),
    choice("AREA_LEVEL_VILLAGE", "village", &["村社区", "村", "社区", "村居", "村委会", "居委会", "村级", "村、社区"]),
    choice("AREA_LEVEL_GRID", "grid", &["网格", "网格级"]),
];

/// How much effort a response level means; Ⅳ, the least, is 0.
pub(super) fn response_rank(value: &str) -> Option<usize> {
    RESPONSE_LEVELS.iter().position(|choice| choice.value == value)
}

/// How far down a level is; smaller is higher.
pub(super) fn level_rank(value: &str) -> Option<usize> {
    AREA_LEVELS.iter().position(|choice| choice.value == value)
}

pub(super) const ORGANIZATION_KINDS: &[Choice] = &[
    choice("ORGANIZATION_KIND_DEPARTMENT", "department", &["机关部门", "机关", "部门", "党政机关", "事业单位", "机关单位"]),
    choice("ORGANIZATION_KIND_ENTERPRISE", "enterprise", &["企业", "国企", "国有企业", "公司", "非公企业"]),
    choice("ORGANIZATION_KIND_SCHOOL", "school", &["学校", "院校"]),
    choice("ORGANIZATION_KIND_PARTY_ORGANIZATION", "party_organization", &["党组织", "党委", "党总支", "党支部"]),
    choice("ORGANIZATION_KIND_HOSPITAL", "hospital", &["医院", "医疗机构", "卫生院"]),
    choice("ORGANIZATION_KIND_VOLUNTEER_TEAM", "volunteer_team", &["志愿服务队", "志愿队", "志愿者队伍", "志愿组织"]),
    choice("ORGANIZATION_KIND_OTHER", "other", &["其他", "其它", "社会组织"]),
];

pub(super) const RESPONDER_KINDS: &[Choice] = &[
    choice("RESPONDER_KIND_MEMBER", "member", &["报到党员", "党员", "在职党员"]),
    choice("RESPONDER_KIND_CADRE", "cadre", &["干部", "机关干部", "村社区干部"]),
    choice("RESPONDER_KIND_WARDEN", "warden", &["网格员", "网格长", "专职网格员"]),
    choice("RESPONDER_KIND_VOLUNTEER", "volunteer", &["志愿者"]),
    choice("RESPONDER_KIND_MILITIA", "militia", &["民兵"]),
    choice("RESPONDER_KIND_DRIVER", "driver", &["驾驶员", "司机"]),
];

/// 政治面貌, with the forms of the national code list GB/T 4762.
pub(super) const AFFILIATIONS: &[Choice] = &[
    choice("AFFILIATION_PARTY_MEMBER", "party_member", &["中共党员", "党员", "正式党员", "中国共产党党员"]),
    choice("AFFILIATION_PROBATIONARY_MEMBER", "probationary_member", &["预备党员", "中共预备党员", "中国共产党预备党员"]),
    choice("AFFILIATION_LEAGUE_MEMBER", "league_member", &["共青团员", "团员", "中国共产主义青年团团员"]),
    choice("AFFILIATION_OTHER_PARTY", "other_party", &["民主党派"]),
    choice("AFFILIATION_MASSES", "masses", &["群众", "无党派人士", "无党派"]),
];

pub(super) const INCIDENT_TYPES: &[Choice] = &[
    choice("INCIDENT_TYPE_OUTBREAK", "outbreak", &["疫情", "突发疫情"]),
    choice("INCIDENT_TYPE_TYPHOON", "typhoon", &["台风", "防风"]),
    choice("INCIDENT_TYPE_FLOOD", "flood", &["洪涝", "洪水", "防汛", "内涝"]),
    choice("INCIDENT_TYPE_FIRE", "fire", &["火灾", "森林火灾", "山火"]),
    choice("INCIDENT_TYPE_EARTHQUAKE", "earthquake", &["地震"]),
    choice("INCIDENT_TYPE_MAJOR_TASK", "major_task", &["重大任务"]),
    choice("INCIDENT_TYPE_OTHER", "other", &["其他", "其它"]),
];

/// 响应级别: Ⅳ is the lowest, whatever sign it is written with.
pub(super) const RESPONSE_LEVELS: &[Choice] = &[
    choice("RESPONSE_LEVEL_IV", "IV", &["Ⅳ", "Ⅳ级", "四级", "4级", "4", "IV级"]),
    choice("RESPONSE_LEVEL_III", "III", &["Ⅲ", "Ⅲ级", "三级", "3级", "3", "III级"]),
    choice("RESPONSE_LEVEL_II", "II", &["Ⅱ", "Ⅱ级", "二级", "2级", "2", "II级"]),
    choice("RESPONSE_LEVEL_I", "I", &["Ⅰ", "Ⅰ级", "一级", "1级", "1", "I级"]),
];

pub(super) const SITE_KINDS: &[Choice] = &[
    choice("SITE_KIND_HEADQUARTERS", "headquarters", &["指挥部"]),
    choice("SITE_KIND_CHECKPOINT", "checkpoint", &["卡口", "检查点", "查验点"]),
    choice("SITE_KIND_RISK_ZONE", "risk_zone", &["风险区"]),
    choice("SITE_KIND_ISOLATION_POINT", "isolation_point", &["隔离点"]),
    choice("SITE_KIND_SAMPLING_POINT", "sampling_point", &["采样点"]),
    choice("SITE_KIND_SHELTER", "shelter", &["避险场所", "避难场所", "避护场所", "安置点"]),
    choice("SITE_KIND_MUSTER_POINT", "muster_point", &["集结点", "党群服务中心"]),
    choice("SITE_KIND_MOBILE_PATROL", "mobile_patrol", &["流动", "流动巡查"]),
];

pub(super) const UNIT_KINDS: &[Choice] = &[
    choice("UNIT_KIND_JOINT_COMMITTEE", "joint_committee", &["联合党委"]),
    choice("UNIT_KIND_TEMPORARY_COMMITTEE", "temporary_committee", &["临时党委"]),
    choice("UNIT_KIND_TEMPORARY_GENERAL_BRANCH", "temporary_general_branch", &["临时党总支"]),
    choice("UNIT_KIND_TEMPORARY_BRANCH", "temporary_branch", &["临时党支部"]),
    choice("UNIT_KIND_TEMPORARY_GROUP", "temporary_group", &["临时党小组"]),
    choice("UNIT_KIND_VANGUARD_TEAM", "vanguard_team", &["先锋队", "党员先锋队"]),
    choice("UNIT_KIND_ASSAULT_TEAM", "assault_team", &["突击队", "党员突击队"]),
    choice("UNIT_KIND_SERVICE_TEAM", "service_team", &["服务队", "党员服务队"]),
];

pub(super) const DUTY_ROLES: &[Choice] = &[
    choice("DUTY_ROLE_MEMBER", "member", &["成员", "队员", "党员"]),
    choice("DUTY_ROLE_SECRETARY", "secretary", &["书记", "负责人", "队长"]),
    choice("DUTY_ROLE_ORGANIZER", "organizer", &["组织员"]),
    choice("DUTY_ROLE_STANDBY", "standby", &["备勤", "待命"]),
];

pub(super) const YES_NO: &[Choice] = &[choice("true", "yes", &["是", "有", "√", "1"]), choice("false", "no", &["否", "无", "×", "0"])];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[(&str, &[Choice])] = &[
        ("AREA_LEVEL_", AREA_LEVELS),
        ("ORGANIZATION_KIND_", ORGANIZATION_KINDS),
        ("RESPONDER_KIND_", RESPONDER_KINDS),
        ("AFFILIATION_", AFFILIATIONS),
        ("INCIDENT_TYPE_", INCIDENT_TYPES),
        ("RESPONSE_LEVEL_", RESPONSE_LEVELS),
        ("SITE_KIND_", SITE_KINDS),
        ("UNIT_KIND_", UNIT_KINDS),
        ("DUTY_ROLE_", DUTY_ROLES),
        ("", YES_NO),
    ];

    #[test]
    fn every_word_means_one_member() {
        for (prefix, choices) in ALL {
            for choice in *choices {
                assert!(choice.value.starts_with(prefix));
                for word in choice.zh.iter().chain([&choice.en, &choice.value]) {
                    assert_eq!(find(choices, word), Some(choice.value), "{word}");
                }
            }
            assert_eq!(find(choices, ""), None);
            assert_eq!(find(choices, "没有这个词"), None);
        }
    }

    #[test]
    fn words_are_read_as_people_write_them() {
        assert_eq!(find(AREA_LEVELS, " 县（市、区） "), Some("AREA_LEVEL_COUNTY"));
        assert_eq!(find(AREA_LEVELS, "Village"), Some("AREA_LEVEL_VILLAGE"));
        assert_eq!(find(RESPONSE_LEVELS, "ⅳ"), Some("RESPONSE_LEVEL_IV"));
        assert_eq!(find(RESPONSE_LEVELS, "ＩＶ"), Some("RESPONSE_LEVEL_IV"));
        assert_eq!(find(UNIT_KINDS, "temporary branch"), Some("UNIT_KIND_TEMPORARY_BRANCH"));
    }

    #[test]
    fn the_names_are_the_contracts() {
        use muster_proto::v1;
        let known: &[fn(&str) -> bool] = &[
            |name| v1::AreaLevel::from_str_name(name).is_some(),
            |name| v1::OrganizationKind::from_str_name(name).is_some(),
            |name| v1::ResponderKind::from_str_name(name).is_some(),
            |name| v1::Affiliation::from_str_name(name).is_some(),
            |name| v1::IncidentType::from_str_name(name).is_some(),
            |name| v1::ResponseLevel::from_str_name(name).is_some(),
            |name| v1::SiteKind::from_str_name(name).is_some(),
            |name| v1::UnitKind::from_str_name(name).is_some(),
            |name| v1::DutyRole::from_str_name(name).is_some(),
        ];
        for ((_, choices), known) in ALL.iter().zip(known) {
            for choice in *choices {
                assert!(known(choice.value), "{}", choice.value);
            }
        }
    }
}
