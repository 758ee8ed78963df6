//! Whole files through [`parse`]: what they become, and every way in which one can be wrong.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::words::Lang;

const DIVISIONS: &str = include_str!("../../../demo/data/divisions-4408.csv");

fn area(level: &str, parent_id: &str) -> KnownArea {
    KnownArea { level: level.to_owned(), parent_id: Some(parent_id.to_owned()) }
}

/// A county with two communities, an organization and four people.
fn known() -> KnownIds {
    let areas = [
        ("4408", area("AREA_LEVEL_CITY", "")),
        ("440802", area("AREA_LEVEL_COUNTY", "4408")),
        ("440803", area("AREA_LEVEL_COUNTY", "4408")),
        ("v1", area("AREA_LEVEL_VILLAGE", "440802")),
        ("v2", area("AREA_LEVEL_VILLAGE", "440802")),
        ("v9", area("AREA_LEVEL_VILLAGE", "440803")),
    ];
    KnownIds {
        areas: areas.into_iter().map(|(id, area)| (id.to_owned(), area)).collect(),
        organizations: HashSet::from(["org-1".to_owned()]),
        responders: ["r-1", "r-2", "r-3", "r-4"].into_iter().map(str::to_owned).collect(),
    }
}

fn parse_text(kind: ImportKind, text: &str) -> Result<Import, Vec<RowError>> {
    parse(kind, text.as_bytes(), &known())
}

fn commands(kind: ImportKind, text: &str) -> Vec<ImportCommand> {
    let import = parse_text(kind, text).unwrap();
    import.commands.iter().for_each(assert_fits_contract);
    import.commands
}

fn faults(kind: ImportKind, text: &str) -> Vec<RowError> {
    parse_text(kind, text).unwrap_err()
}

/// `line column value: reason`, the English way.
fn told(kind: ImportKind, text: &str) -> Vec<String> {
    let list = faults(kind, text);
    for fault in &list {
        assert!(!fault.reason_zh.is_empty() && !fault.reason_en.is_empty());
        assert_eq!(fault.column_zh.is_empty(), fault.column_en.is_empty());
    }
    list.iter().map(|fault| fault.describe(Lang::En)).collect()
}

/// One fault, whose English words contain all of `parts`.
fn assert_one(kind: ImportKind, text: &str, parts: &[&str]) {
    let list = told(kind, text);
    assert_eq!(list.len(), 1, "{list:#?}");
    for part in parts {
        assert!(list[0].contains(part), "{part:?} in {:?}", list[0]);
    }
}

/// The body is one that the contract takes, once the personal fields are sealed.
fn assert_fits_contract(command: &ImportCommand) {
    assert!(command.id.len() <= 64, "{}", command.id);
    let mut body = command.body.clone();
    if command.name == "EnrollResponder" {
        for field in ["name", "phone"] {
            if let Some(value) = body.get_mut(field) {
                assert!(value.is_string());
                *value = json!({"key_id": "r", "algorithm": 1, "nonce": "", "bytes": ""});
            }
        }
    }
    muster_proto::command_from_json(command.name, body).unwrap_or_else(|error| panic!("{}: {error}", command.name));
}

#[test]
fn the_official_divisions_are_imported_as_they_are() {
    let import = parse(ImportKind::Areas, DIVISIONS.as_bytes(), &KnownIds::default()).unwrap();
    assert_eq!((import.encoding, import.rows, import.commands.len()), (Encoding::Utf8, 2127, 2127));
    let mut defined = HashSet::new();
    for command in &import.commands {
        assert_eq!(command.name, "DefineArea");
        assert_fits_contract(command);
        if let Some(parent) = command.body.get("parent_id") {
            assert!(defined.contains(parent), "{parent} comes before {}", command.body["area_id"]);
        }
        defined.insert(command.body["area_id"].clone());
        assert_eq!(command.body["official_code"], command.body["area_id"]);
    }
    let ids: HashSet<&str> = import.commands.iter().map(|command| command.id.as_str()).collect();
    assert_eq!(ids.len(), 2127);
    let expected = json!({"area_id": "4408", "name": "湛江市", "level": "AREA_LEVEL_CITY", "official_code": "4408"});
    assert_eq!(import.commands[0].body, expected);

    let again = parse(ImportKind::Areas, DIVISIONS.as_bytes(), &KnownIds::default()).unwrap();
    assert_eq!(import, again, "the same file gives the same commands with the same ids");
}

#[test]
fn areas_have_places_on_the_map_in_decimal_degrees() {
    let text = "编码,上级编码,层级,名称,纬度,经度\n4408,,市,湛江市,21.27,110.35940\n440802,4408,县,赤坎区,,\n440803,4408,县,霞山区,-0.12345678,-180\n";
    let import = parse(ImportKind::Areas, text.as_bytes(), &KnownIds::default()).unwrap();
    let places: Vec<_> = import.commands.iter().map(|command| command.body.get("location").cloned()).collect();
    let place = |latitude: i32, longitude: i32| Some(json!({"latitude_e7": latitude, "longitude_e7": longitude}));
    assert_eq!(places, [place(212_700_000, 1_103_594_000), None, place(-1_234_567, -1_800_000_000)]);
    import.commands.iter().for_each(assert_fits_contract);
    for (latitude, longitude, wanted) in [
        ("91", "110", "-90 and 90"),
        ("110.3594", "21.27", "-90 and 90"),
        ("21.27", "181", "-180 and 180"),
        ("21°16'", "110", "decimal"),
        ("21.27", "", "together"),
        ("", "110", "together"),
    ] {
        let text = format!("编码,上级编码,层级,名称,纬度,经度\n4408,,市,湛江市,{latitude},{longitude}\n");
        let list = told(ImportKind::Areas, &text);
        assert!(list.iter().any(|line| line.contains(wanted)), "{latitude} {longitude}: {list:#?}");
    }
}

#[test]
fn the_same_divisions_written_by_a_chinese_spreadsheet_give_the_same_commands() {
    let reference = parse(ImportKind::Areas, DIVISIONS.as_bytes(), &KnownIds::default()).unwrap();
    let lines: Vec<&str> = DIVISIONS.lines().skip(1).collect();
    // Children before parents, Chinese headings and levels, Windows line ends.
    let mut text = "编码,上级编码,层级,名称\r\n".to_owned();
    for line in lines.iter().rev() {
        let line = line.replace(",village,", ",村社区,").replace(",township,", ",镇街,");
        text += &format!("{}\r\n", line.replace(",county,", ",县,").replace(",city,", ",市,"));
    }
    // Some village names need the four-byte characters that GBK lacks.
    let (bytes, _, lost) = encoding_rs::GB18030.encode(&text);
    assert!(!lost);
    let import = parse(ImportKind::Areas, &bytes, &KnownIds::default()).unwrap();
    assert_eq!(import.encoding, Encoding::Gb18030);
    let contents = |import: &Import| {
        let mut list: Vec<_> = import.commands.iter().map(|command| (command.id.clone(), command.body.to_string())).collect();
        list.sort();
        list
    };
    assert_eq!(contents(&import), contents(&reference));
    let place = |id: &str| import.commands.iter().position(|command| command.body["area_id"] == id).unwrap();
    assert!(place("4408") < place("440802") && place("440802") < place("440802001"));
}

#[test]
fn areas_carry_their_codes_and_tags() {
    let text = "\u{feff}网格编码,名称,级别,上级,综治编码,应急编码,标签\n\
                g1, 第一网格 ,网格,v1,ZZ-01,,沿海、老旧小区；沿海\n";
    let list = commands(ImportKind::Areas, text);
    let expected = json!({
        "area_id": "g1", "name": "第一网格", "level": "AREA_LEVEL_GRID", "parent_id": "v1",
        "codes": [{"scheme": "zongzhi", "code": "ZZ-01"}], "tags": ["沿海", "老旧小区"],
    });
    assert_eq!((list.len(), &list[0].body, list[0].line), (1, &expected, 2));
}

#[test]
fn headings_are_checked_before_rows() {
    assert_one(ImportKind::Areas, "编码,名称,层级\n1,甲,市\n", &["line 1, column parent_id (上级编码)", "lacks this column"]);
    let list = told(ImportKind::Areas, "code,编码,name,level,parent,colour\n");
    assert_eq!(list.len(), 2, "{list:#?}");
    assert!(list.iter().any(|fault| fault.contains("\"colour\": not a known heading")), "{list:#?}");
    assert!(list.iter().any(|fault| fault.contains("\"编码\": the same column as number 1")), "{list:#?}");
    assert_one(ImportKind::Areas, "", &["the file is empty"]);
    assert_one(ImportKind::Areas, "code,name,level,parent\n\n,,,\n", &["no rows below its heading"]);
    let headings: Vec<_> = ImportKind::Areas.headings().filter(|(_, _, required)| *required).collect();
    assert_eq!(headings[0], ("编码", "area_id", true));
    assert_eq!(headings.len(), 4);
}

#[test]
fn every_column_of_every_kind_has_headings_of_its_own() {
    for kind in [ImportKind::Areas, ImportKind::Organizations, ImportKind::Roster, ImportKind::Plan] {
        let mut seen = std::collections::HashMap::new();
        for column in kind.columns() {
            for name in [column.en, column.zh].into_iter().chain(column.aliases.iter().copied()) {
                if let Some(other) = seen.insert(table::folded(name), column.en) {
                    assert_eq!(other, column.en, "{name} in {}", kind.word());
                }
            }
        }
        assert_eq!(kind.word().parse(), Ok(kind));
    }
    assert!("people".parse::<ImportKind>().is_err());
}

#[test]
fn every_fault_of_a_tree_is_named_and_none_hides_another() {
    let text = "code,name,level,parent\n\
                4408,湛江市,city,\n\
                440802,赤坎区,county,4408\n\
                440802,霞山区,county,4408\n\
                x1,,village,440802\n\
                x2,某村,hamlet,440802\n\
                x3,某村,village,nowhere\n\
                x4,某县,county,440802\n\
                x5,某村,village,\n\
                a b,某村,village,440802\n\
                4.40883E+11,某村,village,440802\n\
                x6,某村,village,x1\n";
    let list = told(ImportKind::Areas, text);
    let expected = [
        "line 4, column area_id (编码), \"440802\": the same as in line 3",
        "line 5, column name (名称): must not be empty",
        "line 6, column level (层级), \"hamlet\": not one of: city, county, township, village, grid",
        "line 7, column parent_id (上级编码), \"nowhere\": no such parent: neither in this file nor on the server",
        "line 8, column parent_id (上级编码), \"440802\": the parent's level (county) must be above the area's own (county)",
        "line 9, column parent_id (上级编码): must not be empty: only the topmost area has no parent, and that is line 2",
        "line 10, column area_id (编码), \"a b\": an id holds letters, digits, `-` and `_` only",
        "line 11, column area_id (编码), \"4.40883E+11\": a spreadsheet turned it into a rounded number and lost digits; \
         format the column as text and fill it in again",
    ];
    assert_eq!(list, expected);
    let zh: Vec<String> = faults(ImportKind::Areas, text).iter().map(|fault| fault.describe(Lang::Zh)).collect();
    assert_eq!(zh[0], "第 4 行“编码”列（area_id）“440802”：与第 3 行重复");
    assert_eq!(zh[2], "第 6 行“层级”列（level）“hamlet”：不是可用的值；可用：市、县、镇街、村社区、网格");
}

#[test]
fn cycles_are_shown_once_with_their_path() {
    let text = "code,name,level,parent\n\
                a,甲,village,c\n\
                b,乙,village,a\n\
                c,丙,village,b\n\
                d,丁,grid,c\n\
                s,己,grid,s\n";
    let list = told(ImportKind::Areas, text);
    let cycles: Vec<_> = list.iter().filter(|fault| fault.contains("cycle")).collect();
    assert_eq!(cycles.len(), 2, "{list:#?}");
    assert!(cycles[0].starts_with("line 2") && cycles[0].contains("a → c → b → a"), "{list:#?}");
    assert!(cycles[1].starts_with("line 6") && cycles[1].contains("s → s"), "{list:#?}");
}

#[test]
fn a_parent_may_be_known_already_and_its_level_counts() {
    assert_eq!(commands(ImportKind::Areas, "code,name,level,parent\ng1,一格,grid,v1\n").len(), 1);
    assert_one(ImportKind::Areas, "code,name,level,parent\nx,某镇,township,v1\n", &["line 2", "level (village) must be above"]);
    // A county's own server: its tree begins with the county.
    let county = "code,name,level,parent\n440899,某县,county,\nt1,某镇,township,440899\n";
    assert_eq!(parse(ImportKind::Areas, county.as_bytes(), &KnownIds::default()).unwrap().commands.len(), 2);
}

#[test]
fn rows_that_the_server_has_already_are_listed() {
    let import = parse_text(ImportKind::Areas, "code,name,level,parent\n4408,湛江市,city,\nnew,新区,county,4408\n").unwrap();
    assert_eq!(import.existing, [ExistingRow { line: 2, id: "4408".into() }]);
    let roster = "人员编号,姓名,人员类别,报到社区编码\nr-1,甲,党员,v1\nr-8,乙,党员,v1\n";
    assert_eq!(parse_text(ImportKind::Roster, roster).unwrap().existing, [ExistingRow { line: 2, id: "r-1".into() }]);
    let organizations = "单位编码,单位名称,单位类型,所在辖区编码\norg-1,甲,机关,4408\n";
    assert_eq!(parse_text(ImportKind::Organizations, organizations).unwrap().existing, [ExistingRow { line: 2, id: "org-1".into() }]);
}

#[test]
fn asked_ids_are_those_that_the_file_does_not_hold_itself() {
    let asked = AskedIds::default();
    let text = "responder_id,name,kind,organization_id,area_id\nr-1,甲,member,org-1,v1\nr-2,乙,cadre,org-1,\n";
    parse(ImportKind::Roster, text.as_bytes(), &asked).unwrap();
    assert_eq!(asked.areas.into_inner().into_iter().collect::<Vec<_>>(), ["v1"]);
    assert_eq!(asked.organizations.into_inner().into_iter().collect::<Vec<_>>(), ["org-1"]);
    assert_eq!(asked.responders.into_inner().into_iter().collect::<Vec<_>>(), ["r-1", "r-2"]);
}

#[test]
fn organizations_come_before_their_ties() {
    let text = "单位编码,单位名称,单位类型,所在辖区编码,职能,挂点社区编码\n\
                org-7,市供电局,企业,4408,power_supply、发电车,\"v1,v2\"\n\
                org-8,市卫健局,机关,440802,,v1\n";
    let list = commands(ImportKind::Organizations, text);
    let names: Vec<_> = list.iter().map(|command| (command.name, command.line)).collect();
    let expected = [("RegisterOrganization", 2), ("RegisterOrganization", 3), ("TieToArea", 2), ("TieToArea", 2), ("TieToArea", 3)];
    assert_eq!(names, expected);
    let first = json!({
        "organization_id": "org-7", "name": "市供电局", "kind": "ORGANIZATION_KIND_ENTERPRISE", "area_id": "4408",
        "functions": ["power_supply", "发电车"],
    });
    assert_eq!(list[0].body, first);
    assert_eq!(list[3].body, json!({"organization_id": "org-7", "area_id": "v2"}));
}

#[test]
fn faults_of_organizations() {
    let text = "organization_id,name,kind,area_id,tied_area_ids\n\
                o-1,甲,guild,nowhere,v1、v1、v7\n\
                o-1,乙,school,,\n";
    let list = told(ImportKind::Organizations, text);
    let expected = [
        "line 2, column area_id (所在辖区编码), \"nowhere\": no such area: neither in this file nor on the server",
        "line 2, column kind (单位类型), \"guild\": not one of: department, enterprise, school, party_organization, hospital, \
         volunteer_team, other",
        "line 2, column tied_area_ids (挂点社区编码), \"v1\": stands twice in the cell",
        "line 2, column tied_area_ids (挂点社区编码), \"v7\": no such area: neither in this file nor on the server",
        "line 3, column area_id (所在辖区编码): must not be empty",
        "line 3, column organization_id (单位编码), \"o-1\": the same as in line 2",
    ];
    assert_eq!(list, expected);
}

const ROSTER: &str = "人员编号*,姓名,手机号码（必填）,人员类别,单位编码,报到社区编码,政治面貌,特长\n\
                      r-7,陈秀英,138 0000 0001,党员,org-1,v1,中共党员,急救、驾驶\n\
                      r-8,阿依古丽·买买提,,志愿者,,v2,群众,\n";

#[test]
fn a_roster_becomes_enrolments() {
    let list = commands(ImportKind::Roster, ROSTER);
    let expected = json!({
        "responder_id": "r-7", "name": "陈秀英", "phone": "138 0000 0001", "kind": "RESPONDER_KIND_MEMBER",
        "organization_id": "org-1", "area_id": "v1", "affiliation": "AFFILIATION_PARTY_MEMBER", "specialties": ["急救", "驾驶"],
    });
    assert_eq!((list.len(), list[0].name, &list[0].body), (2, "EnrollResponder", &expected));
    assert!(list[1].body.get("phone").is_none());
}

#[test]
fn a_gbk_roster_gives_the_same_commands() {
    let (gbk, _, lost) = encoding_rs::GBK.encode(ROSTER);
    assert!(!lost);
    let import = parse(ImportKind::Roster, &gbk, &known()).unwrap();
    assert_eq!(import.encoding, Encoding::Gb18030);
    assert_eq!(import.commands, commands(ImportKind::Roster, ROSTER));
}

/// Ids stand in the log for good. With the name in the hash, whoever has the log could try names until one fits.
#[test]
fn a_command_id_tells_nothing_of_names_and_numbers() {
    let ids = |text: &str| commands(ImportKind::Roster, text).into_iter().map(|command| command.id).collect::<Vec<_>>();
    let other_person = ROSTER.replace("陈秀英", "林志强").replace("138 0000 0001", "139 9999 9999");
    assert_eq!(ids(ROSTER), ids(&other_person));
    let other_home = ROSTER.replace("v1", "v2");
    assert_ne!(ids(ROSTER)[0], ids(&other_home)[0]);
    assert_eq!(ids(ROSTER)[1], ids(&other_home)[1]);
}

#[test]
fn faults_of_a_roster() {
    let long_name = "长".repeat(41);
    let text = format!(
        "responder_id,name,phone,kind,organization_id,area_id,affiliation,specialties\n\
         r-7,,12,member,org-9,v7,alien,\n\
         r-7,甲,1.38E+10,,,,,\n\
         r/9,{long_name},13800000001,cadre,org-1,,,{}\n\
         r-10,\"王\n小明\",,cadre,org-1,,,\n\
         {},甲,,cadre,org-1,,,\n",
        "很".repeat(22),
        "r".repeat(65),
    );
    let list = told(ImportKind::Roster, &text);
    let expected = [
        "line 2, column affiliation (政治面貌), \"alien\": not one of: party_member, probationary_member, league_member, other_party, masses",
        "line 2, column area_id (报到社区编码), \"v7\": no such area: neither in this file nor on the server",
        "line 2, column name (姓名): must not be empty",
        "line 2, column organization_id (单位编码), \"org-9\": no such organization: neither in this file nor on the server",
        "line 2, column phone (手机号), \"12\": not a telephone number: 5 to 15 digits expected",
        "line 3, column area_id (报到社区编码): an organization or a home community must be given",
        "line 3, column kind (人员类别): must not be empty",
        "line 3, column phone (手机号), \"1.38E+10\": a spreadsheet turned it into a rounded number and lost digits; \
         format the column as text and fill it in again",
        "line 3, column responder_id (人员编号), \"r-7\": the same as in line 2",
    ];
    assert_eq!(list[..9], expected);
    assert!(list[9].starts_with("line 4, column name") && list[9].ends_with("too long: 123 bytes, 120 allowed"), "{}", list[9]);
    assert!(list[10].starts_with("line 4, column responder_id (人员编号), \"r/9\": an id holds"), "{}", list[10]);
    assert!(list[11].starts_with("line 4, column specialties") && list[11].contains("too long: 66 bytes, 64 allowed"), "{}", list[11]);
    assert_eq!(
        list[12],
        "line 5, column name (姓名), \"王␤小明\": it holds a line break or a control character; unless that is meant, look for a missing quote"
    );
    // The quoted name spans two lines of the file.
    assert!(list[13].starts_with("line 7, column responder_id") && list[13].contains("too long: 65 bytes"), "{}", list[13]);
    assert_eq!(list.len(), 14);
}

#[test]
fn rows_of_a_wrong_width_are_named_and_the_others_still_checked() {
    let text = "code,name,level,parent\n\
                a,甲,village\n\
                \n\
                b,乙,village,v1,extra\n\
                c,丙,grid,v1,,\n\
                d,丁,hamlet,v1\n";
    let list = told(ImportKind::Areas, text);
    let expected = [
        "line 2, \"a\": the row has 3 cells, the heading 4; look at separators and quotes",
        "line 4, \"b\": the row has 5 cells, the heading 4; look at separators and quotes",
        "line 6, column level (层级), \"hamlet\": not one of: city, county, township, village, grid",
    ];
    assert_eq!(list, expected);
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_the_file_unseen() {
    let text = "code,name,level,parent\na,\"甲,grid,v1\nb,乙,grid,v1\n";
    let list = told(ImportKind::Areas, text);
    assert!(list[0].starts_with("line 2") && list[0].contains("look at separators and quotes"), "{list:#?}");
}

#[test]
fn tabs_and_semicolons_separate_too() {
    for separator in ["\t", ";"] {
        let text = "code,name,level,parent\ng1,甲,grid,v1\n".replace(',', separator);
        assert_eq!(commands(ImportKind::Areas, &text).len(), 1, "{separator:?}");
    }
}

#[test]
fn an_unreadable_byte_is_named_by_line_and_place() {
    let mut bytes = ROSTER.as_bytes().to_vec();
    let at = ROSTER.find("秀英").unwrap();
    bytes[at] = 0xff;
    let list = parse(ImportKind::Roster, &bytes, &known()).unwrap_err();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].line, 2);
    assert!(list[0].describe(Lang::En).contains("is not UTF-8"), "{list:?}");
    assert!(list[0].describe(Lang::Zh).contains("CSV UTF-8"), "{list:?}");

    let noise: Vec<u8> = (0..=255).rev().collect();
    let list = parse(ImportKind::Roster, &noise, &known()).unwrap_err();
    assert_eq!(list.len(), 1, "{list:?}");
}

#[test]
fn a_column_of_faults_is_cut_off_with_their_number() {
    let mut text = "code,name,level,parent\n".to_owned();
    for number in 0..1_500 {
        text += &format!("g{number},某格,tile,v1\n");
    }
    let list = faults(ImportKind::Areas, &text);
    assert_eq!(list.len(), limits::FAULTS_MAX + 1);
    assert_eq!(list.last().map(|fault| fault.reason_en.as_str()), Some("and 500 more faults"));
}

const PLAN: &str = "记录,预案编号,标识,名称,类别,辖区编码,响应级别,事件类型,点位标识,席位标识,编组标识,上级编组标识,批准单位编码,特长,班次,值班席,职务,人员编号,后备人员编号,平时岗,急时岗,岗位说明书标识,地点,向谁报到,任务,携带物品,截止\n\
    预案,p-1,,赤坎疫情预案,,440802,,疫情,,,,,,,,,,,,,,,,,,,\n\
    席位,p-1,a,,,,,,k1,,,,,急救,day,是,,,,,,,,,,,\n\
    席位,p-1,b,,,,Ⅲ,,k1,,,,,,night,,,,,,,,,,,,\n\
    点位,p-1,k1,一号卡口,卡口,v1,Ⅳ,,,,,,,,,,,,,,,,,,,,\n\
    编组,p-1,branch,临时支部,临时党支部,v1,Ⅳ,,k1,,,committee,org-1,,,,,,,,,,,,,,\n\
    编组,p-1,committee,临时党委,临时党委,440802,四级,,,,,,,,,,,,,,,,,,,,\n\
    岗位说明书,p-1,c1,,,,,,,,,,,,,,,,,,,,卡口东侧,带班干部,测温登记,身份证,次日8时\n\
    岗位,p-1,,,,,Ⅳ,,k1,a,branch,,,,,,书记,r-1,r-2、r-3,信息员,安全员,c1,,,,,\n\
    岗位,p-1,,,,,Ⅲ,,k1,b,branch,,,,,,,r-2,,,,,,,,,\n\
    岗位,p-1,,,,,Ⅳ,,,,,,,,,,备勤,r-4,,,,,,,,,\n";

#[test]
fn a_plan_becomes_a_draft_its_posts_and_its_publication() {
    let list = commands(ImportKind::Plan, PLAN);
    let names: Vec<_> = list.iter().map(|command| (command.name, command.line)).collect();
    let expected = [("DraftPlan", 2), ("DesignatePost", 9), ("DesignatePost", 10), ("DesignatePost", 11), ("PublishPlan", 2)];
    assert_eq!(names, expected);
    let draft = json!({
        "plan_id": "p-1", "name": "赤坎疫情预案", "area_id": "440802", "incident_type": "INCIDENT_TYPE_OUTBREAK",
        "sites": [{
            "site_key": "k1", "kind": "SITE_KIND_CHECKPOINT", "name": "一号卡口", "area_id": "v1", "tier": "RESPONSE_LEVEL_IV",
            "seats": [
                {"seat_key": "a", "specialty": "急救", "shift": "day", "duty_desk": true},
                {"seat_key": "b", "shift": "night", "tier": "RESPONSE_LEVEL_III"},
            ],
        }],
        "units": [
            {"unit_key": "committee", "kind": "UNIT_KIND_TEMPORARY_COMMITTEE", "name": "临时党委", "area_id": "440802", "tier": "RESPONSE_LEVEL_IV"},
            {"unit_key": "branch", "kind": "UNIT_KIND_TEMPORARY_BRANCH", "name": "临时支部", "parent_unit_key": "committee", "site_key": "k1",
             "area_id": "v1", "tier": "RESPONSE_LEVEL_IV", "superior_organization_id": "org-1"},
        ],
        "cards": [{"card_key": "c1", "where": "卡口东侧", "report_to": "带班干部", "task": "测温登记", "bring": "身份证", "until": "次日8时"}],
    });
    assert_eq!(list[0].body, draft);
    let post = json!({
        "plan_id": "p-1", "tier": "RESPONSE_LEVEL_IV", "role": "DUTY_ROLE_SECRETARY", "unit_key": "branch", "site_key": "k1", "seat_key": "a",
        "responder_id": "r-1", "backup_ids": ["r-2", "r-3"], "peacetime_post": "信息员", "emergency_post": "安全员", "card_key": "c1",
    });
    assert_eq!(list[1].body, post);
    assert_eq!(list[2].body["role"], "DUTY_ROLE_MEMBER", "the usual role is that of a member");
    assert_eq!(list[4].body, json!({"plan_id": "p-1"}));
}

/// A plan that is changed anywhere is a new version: were the unchanged posts and the publication to keep their ids, they
/// would count as done already, and the new version would lack them.
#[test]
fn a_changed_plan_is_another_plan_in_every_command() {
    let ids = |text: &str| commands(ImportKind::Plan, text).into_iter().map(|command| command.id).collect::<Vec<_>>();
    let changed = PLAN.replace("一号卡口", "二号卡口");
    assert_eq!(ids(PLAN), ids(PLAN));
    for (old, new) in ids(PLAN).iter().zip(ids(&changed)) {
        assert_ne!(*old, new);
    }
}

/// The faults of the plan with one replacement, as `line column: …`.
fn told_with(from: &str, to: &str) -> Vec<String> {
    assert!(PLAN.contains(from), "{from}");
    told(ImportKind::Plan, &PLAN.replacen(from, to, 1))
}

#[test]
fn parts_of_a_plan_refer_to_each_other() {
    for (from, to, expected) in [
        ("预案,p-1,,赤坎", "预案,p-2,,赤坎", "line 3, column plan_id (预案编号), \"p-1\": the file has no plan row for this plan"),
        ("席位,p-1,b,", "席位,p-1,a,", "line 4, column key (标识), \"a\": the same as in line 3"),
        ("席位,p-1,a,", "预案,p-1,a,", "line 3, column plan_id (预案编号), \"p-1\": the same as in line 2"),
        ("席位,p-1,a,,,,,,k1", "席位,p-1,a,,,,,,k2", "line 3, column site_key (点位标识), \"k2\": the plan has no such site"),
        ("记录,", "无,", "line 1, \"无\": not a known heading"),
        ("点位,p-1,k1", "位置,p-1,k1", "line 5, column record (记录), \"位置\": not one of: plan, site, seat, unit, card, post"),
        (",卡口,v1,Ⅳ,", ",卡口,v9,Ⅳ,", "line 5, column area_id (辖区编码), \"v9\": not at or below the plan's area 440802"),
        (",卡口,v1,Ⅳ,", ",卡口,v7,Ⅳ,", "line 5, column area_id (辖区编码), \"v7\": no such area"),
        (",卡口,v1,Ⅳ,", ",卡口,v1,Ⅱ,", "line 4, column tier (响应级别), \"RESPONSE_LEVEL_III\": a seat cannot be asked for before"),
        ("committee,org-1", "nobody,org-1", "line 6, column parent_unit_key (上级编组标识), \"nobody\": the plan has no such unit"),
        ("committee,org-1", "committee,org-2", "line 6, column superior_organization_id (批准单位编码), \"org-2\": no such organization"),
        (",440802,四级,,,,,,,", ",440802,四级,,,,,branch,,", "the parent units form a cycle: branch → committee → branch"),
        ("书记,r-1,", "书记,r-9,", "line 9, column responder_id (人员编号), \"r-9\": no such responder"),
        ("r-2、r-3", "r-2、r-1", "line 9, column backup_ids (后备人员编号), \"r-1\": nobody is the own backup"),
        ("安全员,c1", "安全员,c2", "line 9, column card_key (岗位说明书标识), \"c2\": the plan has no such card"),
        ("k1,a,branch", "k1,z,branch", "line 9, column seat_key (席位标识), \"z\": the plan has no such seat"),
        ("k1,a,branch", ",a,branch", "line 9, column site_key (点位标识): must not be empty"),
        ("k1,a,branch", "k1,,branch", "line 9, column seat_key (席位标识): must not be empty"),
        ("k1,a,branch", "k1,a,", "line 9, column unit_key (编组标识): must not be empty"),
        ("k1,a,branch", "k1,b,branch", "line 10, column seat_key (席位标识), \"b\": the same as in line 9"),
        (
            "Ⅲ,,k1,b,branch",
            "Ⅳ,,k1,b,branch",
            "line 10, column tier (响应级别), \"RESPONSE_LEVEL_IV\": asked for before its site, seat or unit is",
        ),
        ("备勤,r-4", "成员,r-4", "line 11, column unit_key (编组标识): must not be empty"),
        (
            "备勤,r-4",
            "备勤,r-1",
            "line 11, column responder_id (人员编号), \"r-1\": the person already has a post for this type and tier (line 9)",
        ),
        ("席位,p-1,a,,", "席位,p-1,a,多余,", "line 3, column name (名称), \"多余\": a seat row does not use this column"),
        ("急救,day,是", "急救,day,也许", "line 3, column duty_desk (值班席), \"也许\": not one of: yes, no"),
    ] {
        let list = told_with(from, to);
        assert!(list.iter().any(|fault| fault.contains(expected)), "{from} → {to}: {list:#?}");
    }
}

#[test]
fn a_plan_keeps_within_the_caps_of_a_record() {
    let mut text = "record,plan_id,key,name,kind,area_id,tier,incident_type,site_key\n\
                    plan,p-1,,大预案,,440802,,typhoon,\nsite,p-1,k1,点位,shelter,v1,IV,,\n"
        .to_owned();
    for seat in 0..=muster_domain::limits::SEATS_MAX {
        text += &format!("seat,p-1,s{seat},,,,,,k1\n");
    }
    assert_one(ImportKind::Plan, &text, &["line 2, column plan_id", "seats of one site: too many: 401, 400 allowed"]);
}

#[test]
fn the_bodies_hold_no_null_and_no_empty_text() {
    fn check(value: &Value) {
        match value {
            Value::Null => panic!("null"),
            Value::String(text) => assert!(!text.is_empty()),
            Value::Array(items) => items.iter().for_each(check),
            Value::Object(members) => members.values().for_each(check),
            Value::Bool(_) | Value::Number(_) => {}
        }
    }
    for (kind, text) in [(ImportKind::Roster, ROSTER), (ImportKind::Plan, PLAN), (ImportKind::Areas, DIVISIONS)] {
        let import = parse(kind, text.as_bytes(), &known()).unwrap();
        import.commands.iter().for_each(|command| check(&command.body));
    }
}
