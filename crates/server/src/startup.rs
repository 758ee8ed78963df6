//! What can keep a server from starting, in words: what is wrong, why it matters, and what to do. One place, so that every
//! store's own error ends up as the same kind of sentence in both languages.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use muster_delivery::PlaceError;
use muster_engine::StartError as EngineError;
use muster_log::{Behind, OpenError as LogError};
use muster_vault::OpenError as VaultError;
use muster_views::{RunnerError, StoreError};

use crate::words::Words;

/// Why a server did not start. Nothing was written to the log.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Everybody who reaches the address could do everything: nobody has to prove who they are.
    #[error("an open server does not listen on {address}")]
    OpenToAll {
        /// The address.
        address: SocketAddr,
    },
    /// A folder or file of the data folder cannot be used.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The log did not open.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The vault did not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store of the views did not open.
    #[error(transparent)]
    ViewStore(#[from] StoreError),
    /// The views know records that the log does not have.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The views did not start.
    #[error(transparent)]
    Views(#[from] RunnerError),
    /// The places of the delivery channels cannot be used.
    #[error(transparent)]
    Delivery(#[from] PlaceError),
    /// A thread of the start panicked.
    #[error("the start was broken off")]
    BrokenOff,
}

impl StartError {
    /// For people, with what to do about it.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Listen { address, source } => listen(*address, source),
            Self::OpenToAll { address } => open_to_all(*address),
            Self::Io { path, source } => file(path, source),
            Self::Log(error) => log(error),
            Self::Vault(error) => vault(error),
            Self::ViewStore(error) => view_store(error),
            Self::Behind(behind) => lost(behind),
            Self::Engine(error) => engine(error),
            Self::Views(error) => Words::new(
                format!("视图无法启动：{error}。视图可以重建：停止服务，删除数据目录下的 views/，再启动。"),
                format!("the views cannot be started: {error}. They can be rebuilt: stop, delete views/ in the data folder, start again."),
            ),
            Self::Delivery(error) => delivery(error),
            Self::BrokenOff => Words::new("启动过程意外中断，详情见日志。", "the start was broken off; the trace has the details."),
        }
    }
}

fn listen(address: SocketAddr, source: &io::Error) -> Words {
    match source.kind() {
        io::ErrorKind::AddrInUse => Words::new(
            format!("端口被占用：{address} 已有程序在监听。请停止它，或用 --listen 换一个端口。"),
            format!("the port is taken: something listens on {address} already. Stop it, or choose another port with --listen."),
        ),
        io::ErrorKind::PermissionDenied => Words::new(
            format!("没有权限监听 {address}：{source}。1024 以下的端口需要特权，请换一个端口。"),
            format!("no permission to listen on {address}: {source}. Ports below 1024 need privileges; choose another port."),
        ),
        _ => Words::new(
            format!("无法监听 {address}：{source}。请检查地址是否属于本机。"),
            format!("cannot listen on {address}: {source}. Check that the address belongs to this machine."),
        ),
    }
}

fn open_to_all(address: SocketAddr) -> Words {
    Words::new(
        format!(
            "拒绝监听 {address}：还没有签发过令牌，任何能连上的人都可以查看一切、下达命令。\
             请先用 muster token issue --data DIR --role headquarters --everything 签发令牌，或在配置 [auth] 中设置身份提供方；\
             若前面已有负责身份验证的代理，请加 --open。"
        ),
        format!(
            "the server does not listen on {address}: no token was ever issued, so that everybody who reaches it could see everything and give orders. \
             Issue one with muster token issue --data DIR --role headquarters --everything, or name an identity provider in [auth] of the configuration; \
             behind a proxy that authenticates, add --open."
        ),
    )
}

fn file(path: &Path, source: &io::Error) -> Words {
    let path = path.display();
    Words::new(
        format!("无法使用 {path}：{source}。请检查路径、权限和磁盘空间。"),
        format!("{path} cannot be used: {source}. Check the path, its permissions and the disk space."),
    )
}

fn in_use(dir: &Path, pid: Option<u32>) -> Words {
    let dir = dir.display();
    let (zh, en) = pid.map_or_else(|| (String::new(), String::new()), |pid| (format!("（进程 {pid}）"), format!(" (process {pid})")));
    Words::new(
        format!("数据目录正被另一个进程使用{zh}：{dir}。请先停止它，或用 --data 另选目录。"),
        format!("the data folder is in use by another process{en}: {dir}. Stop it first, or choose another folder with --data."),
    )
}

fn newer(dir: &Path, found: u32, supported: u32) -> Words {
    let dir = dir.display();
    Words::new(
        format!("数据目录由更新版本的 Muster 写入：{dir} 的格式为 {found}，本版本最高支持 {supported}。请升级 Muster；数据没有被改动。"),
        format!(
            "the data folder was written by a newer Muster: {dir} has format {found}, this version knows up to {supported}. Upgrade Muster; nothing was changed."
        ),
    )
}

fn damaged(dir: &Path, detail: &str) -> Words {
    let dir = dir.display();
    Words::new(
        format!("数据目录已损坏：{dir}：{detail}。请从备份恢复；muster doctor --data 可列出损坏之处。"),
        format!("the data folder is damaged: {dir}: {detail}. Restore a backup; muster doctor --data tells what is damaged."),
    )
}

fn lost(behind: &Behind) -> Words {
    Words::new(
        format!(
            "日志末尾缺失已确认的记录：日志到 {} 为止，而 {} 已知 {}。请从备份恢复；若确认接受丢失，请运行 muster doctor --accept-loss。",
            behind.end, behind.who, behind.known
        ),
        format!(
            "acknowledged records are missing at the log's end: it ends at {}, but {} knows {}. Restore a backup, or, if the loss is accepted, run muster doctor --accept-loss.",
            behind.end, behind.who, behind.known
        ),
    )
}

fn log(error: &LogError) -> Words {
    match error {
        LogError::InUse { dir, pid } => in_use(dir, *pid),
        LogError::NewerFormat { dir, found, supported } => newer(dir, *found, *supported),
        LogError::Damaged { dir, position, file, detail } => {
            let at = position.map(|position| format!(" @ {position}")).unwrap_or_default();
            let file = file.as_ref().map(|file| format!(" {}", file.display())).unwrap_or_default();
            damaged(dir, &format!("{detail}{at}{file}"))
        }
        LogError::NotALog { dir, detail } => Words::new(
            format!("{} 不是 Muster 的日志：{detail}。请检查 --data 是否指向正确的目录。", dir.display()),
            format!("{} is no log of Muster: {detail}. Check that --data names the right folder.", dir.display()),
        ),
        LogError::NotFound { dir } => Words::new(
            format!("{} 里没有日志。请检查 --data。", dir.display()),
            format!("there is no log in {}. Check --data.", dir.display()),
        ),
        LogError::Behind(behind) => lost(behind),
        LogError::Store { dir, detail } => Words::new(
            format!("无法打开日志 {}：{detail}。请检查磁盘和权限。", dir.display()),
            format!("the log {} cannot be opened: {detail}. Check the disk and the permissions.", dir.display()),
        ),
        LogError::Io { path, source } => file(path, source),
    }
}

fn vault(error: &VaultError) -> Words {
    match error {
        VaultError::InUse { dir } => in_use(dir, None),
        VaultError::NewerFormat { dir, found, supported } => newer(dir, *found, *supported),
        VaultError::Damaged { dir, what, .. } => damaged(dir, what),
        VaultError::MasterKeyMissing { file, .. } => Words::new(
            format!("保险库缺少主密钥 {}。请把它放回原处；没有它，个人信息无法读取。", file.display()),
            format!("the vault's master key {} is missing. Put it back; without it personal data cannot be read.", file.display()),
        ),
        VaultError::WrongMasterKey { dir } => Words::new(
            format!("主密钥不属于保险库 {}。请使用该保险库自己的密钥。", dir.display()),
            format!("the master key is not that of the vault {}. Use the vault's own.", dir.display()),
        ),
        VaultError::Io { path, source } => file(path, source),
        other => Words::new(
            format!("保险库无法打开：{other}。请检查磁盘和权限。"),
            format!("the vault cannot be opened: {other}. Check the disk and the permissions."),
        ),
    }
}

fn delivery(error: &PlaceError) -> Words {
    match error {
        PlaceError::Io { path, source } => file(path, source),
        PlaceError::Damaged { path, detail } => Words::new(
            format!("送达渠道的进度文件 {} 已损坏：{detail}。删除它，该渠道将从日志末尾开始，此前未发出的消息不再发送。", path.display()),
            format!(
                "the file with a delivery channel's place, {}, is damaged: {detail}. Without it the channel begins at the log's end, and what was not sent before stays unsent.",
                path.display()
            ),
        ),
        PlaceError::Ahead { channel, known, end } => Words::new(
            format!(
                "日志末尾缺失已确认的记录：日志到 {end} 为止，而送达渠道 {channel} 已处理到 {known}。\
                 请从备份恢复；若确认接受丢失，请运行 muster doctor --accept-loss。"
            ),
            format!(
                "acknowledged records are missing at the log's end: it ends at {end}, but the delivery channel {channel} has seen {known}. \
                 Restore a backup, or, if the loss is accepted, run muster doctor --accept-loss."
            ),
        ),
    }
}

fn view_store(error: &StoreError) -> Words {
    match error {
        StoreError::InUse { dir } => in_use(dir, None),
        StoreError::Io { path, source } => file(path, source),
        other => Words::new(
            format!("视图存储无法打开：{other}。视图可以重建：删除数据目录下的 views/，再启动。"),
            format!(
                "the store of the views cannot be opened: {other}. It can be rebuilt: delete views/ in the data folder and start again."
            ),
        ),
    }
}

fn engine(error: &EngineError) -> Words {
    match error {
        EngineError::StateAheadOfLog { behind, .. } => lost(behind),
        EngineError::ClockBehind { last_recorded_ms, now_ms } => Words::new(
            format!(
                "系统时钟早于最后一条记录：时钟为 {now_ms} 毫秒，最后一条记录为 {last_recorded_ms} 毫秒，相差 {} 秒。\
                 请校准系统时钟；若是记录的时间有误，请运行 muster doctor --accept-clock。",
                (last_recorded_ms - now_ms) / 1000
            ),
            format!(
                "the clock is behind the last record: it says {now_ms} ms, the record {last_recorded_ms} ms, {} seconds more. \
                 Set the clock; if the record's time is what is wrong, run muster doctor --accept-clock.",
                (last_recorded_ms - now_ms) / 1000
            ),
        ),
        EngineError::BadRecord { position, source: muster_proto::DecodeError::NewerSchema { found } } => Words::new(
            format!("记录 {position} 由更新版本的 Muster 写入（模式 {found}）。请升级 Muster；数据没有被改动。"),
            format!("record {position} was written by a newer Muster (schema {found}). Upgrade Muster; nothing was changed."),
        ),
        EngineError::Read(_) | EngineError::BadRecord { .. } | EngineError::BrokenUnit { .. } => Words::new(
            format!("日志无法读回：{error}。请从备份恢复；muster doctor --data 可列出损坏之处。"),
            format!("the log cannot be read back: {error}. Restore a backup; muster doctor --data tells what is damaged."),
        ),
        EngineError::StateDir { path, source } => file(path, source),
        other => Words::new(format!("引擎无法启动：{other}。"), format!("the engine cannot be started: {other}.")),
    }
}
