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

/// `muster view`
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// 视图：coverage 覆盖 / units 编组 / sites 点位 / whistles 哨 / calls 征调 / responders 人员
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
