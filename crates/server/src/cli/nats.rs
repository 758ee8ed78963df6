//! `muster nats config`: writes the configuration of a nats-server by a file of users. Seeds of nkeys go into files of their own
//! and are never printed.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::args::{NatsArgs, NatsCommand, NatsConfigArgs};
use super::client::Client;
use super::error::CliError;
use super::print;
use crate::import::{self, ImportKind, KnownIds};
use crate::limits;
use crate::nats::{Layout, Tree, Users, UsersFault, generate, users};
use crate::words::Lang;

/// What the configuration is called in the folder.
const CONFIGURATION: &str = "nats-server.conf";

pub(super) async fn run(args: NatsArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let NatsCommand::Config(args) = args.what;
    let failed = |path: &Path, error: &std::io::Error| CliError::io(&path.display().to_string(), error);
    let text = fs::read_to_string(&args.users).map_err(|error| failed(&args.users, &error))?;
    let mut users = Users::read(&text).map_err(|fault| unusable(&args.users, &fault))?;
    let tree = tree(&args, lang).await?;
    fs::create_dir_all(&args.out).map_err(|error| failed(&args.out, &error))?;
    let made = users::keys(&mut users, &args.out).map_err(|fault| unusable(&args.users, &fault))?;
    let layout = Layout { listen: args.listen, certificate: (args.cert, args.key), store: args.store };
    let configuration = generate(&users, &tree, &layout).map_err(|fault| {
        CliError::new(
            format!("无法确定辖区的路径：{fault}。请检查用户文件中的辖区编码和辖区数据。"),
            format!("an area's path is not known: {fault}. Check the areas in the file of users, and the tree."),
        )
    })?;
    let path = args.out.join(CONFIGURATION);
    fs::write(&path, configuration).map_err(|error| failed(&path, &error))?;
    print::line(&path.display().to_string());
    for seed in made {
        print::to_stderr(&match lang {
            Lang::Zh => format!("已生成密钥 {seed}，只交给其使用者"),
            Lang::En => format!("made {seed}: for its user alone"),
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn unusable(path: &Path, fault: &UsersFault) -> CliError {
    let path = path.display();
    CliError::new(format!("用户文件 {path} 有误：{fault}"), format!("the file of users {path} is wrong: {fault}"))
}

async fn tree(args: &NatsConfigArgs, lang: Lang) -> Result<Tree, CliError> {
    let mut tree = Tree::default();
    let Some(path) = &args.areas else {
        for row in areas_of_server(&Client::new(&args.server, lang)).await? {
            tree.add(&row);
        }
        return Ok(tree);
    };
    let bytes = fs::read(path).map_err(|error| CliError::io(&path.display().to_string(), &error))?;
    let import = import::parse(ImportKind::Areas, &bytes, &KnownIds::default()).map_err(|faults| {
        let list = |lang| faults.iter().map(|fault| fault.describe(lang)).collect::<Vec<_>>().join("\n");
        CliError::new(format!("辖区文件有误：\n{}", list(Lang::Zh)), format!("the file of areas has faults:\n{}", list(Lang::En)))
    })?;
    for command in import.commands {
        tree.add(&command.body);
    }
    Ok(tree)
}

async fn areas_of_server(client: &Client) -> Result<Vec<Value>, CliError> {
    let limit = limits::VIEW_PAGE_ROWS_MAX.to_string();
    let (mut areas, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let query = [("realm", Some(muster_proto::ACTUAL)), ("cursor", cursor.as_deref()), ("limit", Some(limit.as_str()))];
        let mut page = client.get_json("/v1/views/coverage", &query).await?;
        match page["rows"].take() {
            Value::Array(rows) => areas.extend(rows),
            _ => return Err(client.not_muster("rows")),
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(areas);
        }
    }
}
