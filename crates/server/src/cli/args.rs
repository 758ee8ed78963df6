//! What can be said on the command line. Help texts stand in Chinese and English, for clap has one text for each argument.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Nats, Partial};
use crate::import::ImportKind;
use crate::telemetry::LogFormat;
use crate::words::Lang;

/// Where a server is looked for unless told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// Muster 应急动员引擎 · an event-sourced emergency mobilization engine
#[derive(Debug, Parser)]
#[command(name = "muster", version, propagate_version = true, max_term_width = 120)]
pub struct Cli {
    /// 提示语言 · language of messages: zh-CN / en
    #[arg(long, global = true, env = "MUSTER_LANG", default_value_t = Lang::Zh)]
    pub lang: Lang,
    /// 做什么 · what to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 启动服务器 · run the server
    Serve(ServeArgs),
    /// 播放演示：真实辖区、生成人员，疫情与台风 · play the demo: real areas, generated people, an outbreak and a typhoon
    Demo(DemoArgs),
    /// 独立进程的视图投影 · projection workers in a process of their own, fed by JetStream
    Worker(WorkerArgs),
    /// 导入 CSV 文件 · import a CSV file
    Import(ImportArgs),
    /// 发送一条命令 · send one command
    Send(SendArgs),
    /// 统筹补位：为所有未满足的人员需求一起提名 · propose people for all open needs together
    Fill(FillArgs),
    /// 查看视图 · show a view
    View(ViewArgs),
    /// 视图的进度、重建与核对 · how the views stand; rebuild them, verify them
    Views(ViewsArgs),
    /// 应急事件报告 · the report of an incident
    Report(ReportArgs),
    /// 推演：此刻转换会是什么样 · rehearse: what a conversion would be now
    Rehearse(RehearseArgs),
    /// 预案复盘 · what an incident teaches about a plan
    Plan(PlanArgs),
    /// 列出事件 · list events
    Events(EventsArgs),
    /// 送达渠道与未送达的消息 · delivery channels, and what could not be delivered
    Deliveries(DeliveriesArgs),
    /// 签发、列出、吊销令牌 · issue, list and revoke tokens
    Token(TokenArgs),
    /// 生成 nats-server 的配置 · make the configuration of a nats-server
    Nats(NatsArgs),
    /// 检查数据目录 · examine a data folder that no server uses
    Doctor(DoctorArgs),
}

/// `muster serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// 数据目录 · data folder
    #[arg(long, env = "MUSTER_DATA")]
    pub data: Option<PathBuf>,
    /// 监听地址 · address to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "MUSTER_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// NATS 地址，或 off · URL of NATS, or off [default: off]
    #[arg(long, env = "MUSTER_NATS")]
    pub nats: Option<String>,
    /// 是否把视图发布到 NATS KV · publish the views to NATS KV as well [default: true]
    #[arg(long, env = "MUSTER_KV", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub kv: Option<bool>,
    /// TOML 配置文件 · configuration file
    #[arg(long, env = "MUSTER_CONFIG")]
    pub config: Option<PathBuf>,
    /// 每夜推演的当地时间，或 off · local time of the nightly rehearsal, or off [default: 03:00]
    #[arg(long, env = "MUSTER_REHEARSAL_AT")]
    pub rehearsal_at: Option<String>,
    /// 日志格式 · format of traces
    #[arg(long, env = "MUSTER_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// 日志过滤 · filter of traces, e.g. info,muster_feed=debug
    #[arg(long, env = "MUSTER_LOG")]
    pub log_filter: Option<String>,
    /// 未签发令牌也监听非本机地址（前面须有负责身份验证的代理）· listen beyond this machine without tokens, behind a proxy that authenticates
    #[arg(long)]
    pub open: bool,
}

impl ServeArgs {
    /// The settings given by flags and environment.
    #[must_use]
    pub fn partial(&self) -> Partial {
        Partial {
            data: self.data.clone(),
            listen: self.listen,
            nats: self.nats.clone(),
            nats_commands: None,
            kv: self.kv,
            log_format: self.log_format,
            log_filter: self.log_filter.clone(),
            snapshot_every: None,
            open: self.open.then_some(true),
            auth: None,
            rehearsal_at: self.rehearsal_at.clone(),
            utc_offset_minutes: None,
            delivery: None,
        }
    }
}

/// How large the demo is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DemoScale {
    /// 全市 · the whole city
    #[default]
    City,
    /// 一个县区 · one county
    County,
    /// 全市十万人 · the whole city with 100,000 people
    Stress,
    /// 测试用 · a few villages, for tests
    #[value(hide = true)]
    Small,
}

/// `muster demo`
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// NATS 地址 · URL of NATS
    #[arg(long, env = "MUSTER_NATS")]
    pub nats: Option<String>,
    /// 数据目录 · data folder; a temporary one when absent
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// 监听地址 · address to listen on
    #[arg(long, default_value = crate::config::DEFAULT_LISTEN)]
    pub listen: SocketAddr,
    /// 规模 · scale
    #[arg(long, value_enum, default_value_t)]
    pub scale: DemoScale,
    /// 时钟倍速，0 为不等待 · speed of the demo's clock, 0 for no waiting
    #[arg(long, default_value_t = 120.0)]
    pub speed: f64,
    /// 随机种子 · seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// 自动核验并输出一行 JSON · play without a person, verify, and print one line of JSON
    #[arg(long)]
    pub check: bool,
}

/// `muster worker`
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// NATS 地址 · URL of NATS
    #[arg(long, env = "MUSTER_NATS")]
    pub nats: String,
    /// 视图，逗号分隔 · views, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "coverage,units,sites,whistles,calls,responders")]
    pub views: Vec<String>,
    /// 把这些视图发布到 NATS KV；每个视图同时只有一个进程发布 · publish these views to NATS KV; of all who do, one publishes a view at a time
    #[arg(long)]
    pub kv: bool,
    /// 流中缺少的记录从此 Muster 服务器读取；重建与核对也用它 · Muster server that records are read from which the stream does not hold, and for rebuild and verify
    #[arg(long, env = "MUSTER_SERVER")]
    pub server: Option<String>,
    /// 该服务器上的令牌（整树的指挥部）· token at that server, of headquarters of the whole tree
    #[arg(long, env = "MUSTER_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// 数据目录 · data folder of the worker
    #[arg(long, env = "MUSTER_DATA")]
    pub data: PathBuf,
    /// 视图与健康检查的 HTTP 地址 · address of its HTTP for views and health
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// 其令牌有效的数据目录 · data folder whose tokens are taken, e.g. the server's [default: the worker's own]
    #[arg(long, env = "MUSTER_TOKENS")]
    pub tokens: Option<PathBuf>,
    /// TOML 配置文件，只读取其中的 [auth] 与 open · configuration file; only [auth] and open are read
    #[arg(long, env = "MUSTER_CONFIG")]
    pub config: Option<PathBuf>,
    /// 未签发令牌也监听非本机地址（前面须有负责身份验证的代理）· listen beyond this machine without tokens, behind a proxy that authenticates
    #[arg(long)]
    pub open: bool,
    /// 消费者名称 · name of its consumer in NATS; one for each worker
    #[arg(long)]
    pub name: Option<String>,
    /// 日志格式 · format of traces
    #[arg(long, env = "MUSTER_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// 日志过滤 · filter of traces
    #[arg(long, env = "MUSTER_LOG", default_value = crate::telemetry::DEFAULT_FILTER)]
    pub log_filter: String,
}

/// The server that a client command talks to.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// 服务器地址 · URL of the server
    #[arg(long, env = "MUSTER_SERVER", default_value = DEFAULT_SERVER)]
    pub server: String,
    /// 主体标识 · principal who is answerable for the ids
    #[arg(long, env = "MUSTER_PRINCIPAL")]
    pub principal: Option<String>,
    /// 令牌 · token
    #[arg(long, env = "MUSTER_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// `muster import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// 内容 · what the file holds: areas / organizations / roster / plan
    pub kind: ImportKind,
    /// CSV 文件（UTF-8 或 GBK）· CSV file in UTF-8 or GBK
    pub file: PathBuf,
    /// 只检查，不发送 · check only, send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster send`
#[derive(Debug, Args)]
pub struct SendArgs {
    /// 命令名，如 BlowWhistle · name of the command
    pub command: String,
    /// 命令内容的 JSON 文件，- 为标准输入 · file with the command's JSON, - for stdin
    #[arg(long, value_name = "FILE")]
    pub json: Option<String>,
    /// 幂等键；重试同一意图用同一个 · idempotency key; a retry of the same intent uses the same
    #[arg(long)]
    pub id: Option<String>,
    /// 只预演，不执行 · tell what it would do, do nothing
    #[arg(long, conflicts_with = "id")]
    pub dry_run: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster fill`
#[derive(Debug, Args)]
pub struct FillArgs {
    /// 为此辖区及以下的哨提名 · for the whistles of this area and below
    #[arg(long)]
    pub area: String,
    /// 现实或演练 · `actual`, or an exercise
    #[arg(long)]
    pub realm: Option<String>,
    /// 以哪个辖区的职务 · the area in whose office it is asked [default: --area]
    #[arg(long)]
    pub office: Option<String>,
    /// 幂等键；重试同一意图用同一个 · idempotency key; a retry of the same intent uses the same
    #[arg(long)]
    pub id: Option<String>,
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster deliveries`
#[derive(Debug, Args)]
pub struct DeliveriesArgs {
    /// 做什么，缺省为列出 · what to do; lists when absent
    #[command(subcommand)]
    pub command: Option<DeliveriesCommand>,
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What to do with deliveries.
#[derive(Debug, Subcommand)]
pub enum DeliveriesCommand {
    /// 重发一条未送达的消息 · send a dead letter again
    Resend {
        /// 消息编号 · the message's id
        message_id: String,
    },
    /// 重新启用对方曾答复 410 的渠道 · use a channel again that answered 410
    Enable {
        /// 渠道 · the channel
        channel: String,
    },
}

/// `muster views`
#[derive(Debug, Args)]
pub struct ViewsArgs {
    /// 做什么 · what to do
    #[command(subcommand)]
    pub command: ViewsCommand,
}

/// What to do with the views as a whole.
#[derive(Debug, Subcommand)]
pub enum ViewsCommand {
    /// 每个视图及其各代的位置、滞后、行数与进度 · position, lag, rows and progress of each view and generation
    Status(UpkeepArgs),
    /// 从日志建立下一代，与现有的比较后替换；有不同的行时退出码为 3 · make the next generation from the log, compare, replace; exit code 3 when rows differed
    Rebuild(UpkeepArgs),
    /// 从日志重算并比较，不替换；有不同的行时退出码为 3 · compare with the log and replace nothing; exit code 3 when rows differ
    Verify(UpkeepArgs),
}

/// Of which server or worker, and how it is shown.
#[derive(Debug, Args)]
pub struct UpkeepArgs {
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server, or a worker by the address that it listens on.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster view`
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// 视图：coverage 覆盖 / units 编组 / sites 点位 / whistles 哨 / calls 征调 / responders 人员，以及服务器另有的视图 · or another one that the server has
    pub name: String,
    /// 只看此辖区及以下 · only this area and what is below
    #[arg(long)]
    pub area: Option<String>,
    /// 现实或演练 · `actual`, or an exercise
    #[arg(long)]
    pub realm: Option<String>,
    /// 截至某位置或时间 · as of a position or time
    #[arg(long)]
    pub as_of: Option<String>,
    /// 与另一位置或时间逐行比较（从 --as-of 到此；end 为现在） · compare --as-of with this position or time, row by row; `end` for now
    #[arg(long, requires = "as_of", conflicts_with = "true_time", value_name = "MOMENT")]
    pub compare: Option<String>,
    /// 到岗真实情况：此时刻（按设备时间）实际如何 · presence as it really was at this time, by the devices' clocks
    #[arg(long, value_name = "TIME")]
    pub true_time: Option<String>,
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// 应急事件 · the incident
    #[arg(long)]
    pub incident: String,
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster rehearse`
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// 辖区：推演此辖区及以下的全部预案 · every plan at or below this area
    #[arg(long)]
    pub area: String,
    /// 事件类型，如 typhoon · type of incident, e.g. typhoon
    #[arg(long = "type", value_name = "TYPE")]
    pub incident_type: String,
    /// 响应级别：IV / III / II / I；逐级推演到此级 · every response level up to this one
    #[arg(long)]
    pub response: String,
    /// 详情：gaps 空岗与单点 / posts 全部人员 · empty posts and single points, or everybody
    #[arg(long, value_parser = ["none", "gaps", "posts"], default_value = "gaps")]
    pub detail: String,
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What about a plan.
    #[command(subcommand)]
    pub what: PlanCommand,
}

/// What about a plan.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// 复盘：解除响应之后，预案与实际的差异，逐行采纳 · the differences between plan and reality, to be accepted row by row
    Lessons(LessonsArgs),
}

/// `muster plan lessons`
#[derive(Debug, Args)]
pub struct LessonsArgs {
    /// 预案 · the plan
    #[arg(long)]
    pub plan: String,
    /// 事件 · the incident
    #[arg(long)]
    pub incident: String,
    /// 输出 JSON · print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// 起始位置 · first position
    #[arg(long)]
    pub from: Option<String>,
    /// 只看此辖区及以下 · only this area and what is below
    #[arg(long)]
    pub area: Option<String>,
    /// 事件类型，逗号分隔 · types, separated by commas
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Option<String>,
    /// 持续跟随 · stay and print what comes
    #[arg(long)]
    pub follow: bool,
    /// 最多多少条 · how many at most
    #[arg(long)]
    pub limit: Option<u64>,
    /// 输出 JSON 行 · print JSON lines
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster token`
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// 数据目录 · data folder
    #[arg(long, env = "MUSTER_DATA", global = true)]
    pub data: Option<PathBuf>,
    /// 做什么 · what to do
    #[command(subcommand)]
    pub action: TokenAction,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// 签发 · issue a token; it is shown once
    Issue(TokenIssueArgs),
    /// 列出 · list the tokens
    List,
    /// 吊销 · revoke a token; a running server notices at once
    Revoke {
        /// 令牌编号 · the token's id
        id: String,
    },
}

/// `muster token issue`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("scope").required(true).multiple(true).args(["area", "organization", "unit", "responder", "everything"]))]
pub struct TokenIssueArgs {
    /// 角色 · role: headquarters / organization_department / township / community / department / secretary / organizer / responder / auditor / analyst / console
    #[arg(long)]
    pub role: String,
    /// 辖区及以下 · an area and what is below
    #[arg(long)]
    pub area: Vec<String>,
    /// 单位 · an organization
    #[arg(long)]
    pub organization: Vec<String>,
    /// 编组 · a unit
    #[arg(long)]
    pub unit: Vec<String>,
    /// 本人 · a responder
    #[arg(long)]
    pub responder: Option<String>,
    /// 全部辖区 · the whole tree
    #[arg(long)]
    pub everything: bool,
    /// 使用者，记入每个事件 · the person or desk, recorded in every event
    #[arg(long)]
    pub name: Option<String>,
    /// 有效期，如 12h、30d · how long it is good for
    #[arg(long)]
    pub ttl: Option<String>,
}

/// `muster nats`
#[derive(Debug, Args)]
pub struct NatsArgs {
    /// What about NATS.
    #[command(subcommand)]
    pub what: NatsCommand,
}

/// What about NATS.
#[derive(Debug, Subcommand)]
pub enum NatsCommand {
    /// 按用户的权限生成 nats-server.conf，缺少的 nkey 一并生成 · write nats-server.conf by the users' grants, and nkeys for those without one
    Config(NatsConfigArgs),
}

/// `muster nats config`
#[derive(Debug, Args)]
pub struct NatsConfigArgs {
    /// 用户文件（TOML）· file of users
    #[arg(long)]
    pub users: PathBuf,
    /// 辖区 CSV 文件，与 muster import areas 相同；不给则向服务器查询 · CSV file of areas as for muster import areas; without it the server is asked
    #[arg(long)]
    pub areas: Option<PathBuf>,
    /// 输出目录 · folder to write to
    #[arg(long)]
    pub out: PathBuf,
    /// nats-server 的监听地址 · where the nats-server listens
    #[arg(long, default_value = "0.0.0.0:4222")]
    pub listen: String,
    /// 服务器证书 · its certificate, as PEM
    #[arg(long, default_value = "server.pem")]
    pub cert: String,
    /// 证书的私钥 · the key of the certificate
    #[arg(long, default_value = "server-key.pem")]
    pub key: String,
    /// JetStream 的存储目录 · where JetStream stores
    #[arg(long, default_value = "jetstream")]
    pub store: String,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `muster doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// 数据目录 · data folder
    #[arg(long, env = "MUSTER_DATA")]
    pub data: PathBuf,
    /// 接受日志尾部的丢失，开始新纪元 · accept that records are lost, and start a new epoch
    #[arg(long)]
    pub accept_loss: bool,
    /// 接受系统时钟早于最后一条记录 · accept that the clock is behind the last record
    #[arg(long)]
    pub accept_clock: bool,
}

/// Keeps the type of `--nats` in one place.
impl DemoArgs {
    /// Where the demo publishes.
    ///
    /// # Errors
    /// The text is empty.
    pub fn nats(&self) -> Result<Nats, String> {
        self.nats.as_deref().map_or(Ok(Nats::Off), str::parse)
    }
}
