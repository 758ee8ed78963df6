//! The real binary: what it prints, how it ends, and the client commands against it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::common::within;

fn muster(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(args).env_remove("MUSTER_SERVER").env_remove("MUSTER_DATA").env_remove("MUSTER_NATS").env_remove("MUSTER_LANG");
    command
}

/// A server process; ended with the test whatever becomes of it.
struct Serve {
    child: Child,
    url: String,
}

impl Serve {
    fn start(data: &Path) -> Self {
        let data = data.to_str().unwrap();
        let mut child =
            muster(&["serve", "--data", data, "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }

    /// Asks it to end, and gives the exit code.
    async fn terminate(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        within(tokio::task::spawn_blocking(move || child.wait().unwrap().code())).await.unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn run(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = muster(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = text(&output);
    (output.status.code().unwrap(), stdout, stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_at_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Serve::start(&data);
    let at = ["--server", server.url.as_str()];
    let sheet = folder.path().join("areas.csv");
    std::fs::write(&sheet, "编号,名称,层级,上级\n4408,湛江市,市,\n440802,赤坎区,县区,4408\n").unwrap();
    let sheet = sheet.to_str().unwrap();

    let (code, out, err) = run(&[&["import", "areas", sheet, "--dry-run"], &at[..]].concat(), "");
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = run(&[&["import", "areas", sheet], &at[..]].concat(), "");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("完成 2"), "{out}");
    let (code, out, err) = run(&[&["--lang", "en", "import", "areas", sheet], &at[..]].concat(), "");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("2 done before"), "{out}");

    let body = "{\"area_id\": \"440802001\", \"name\": \"中华街道\", \"level\": \"AREA_LEVEL_TOWNSHIP\", \"parent_id\": \"440802\"}";
    let (code, out, err) = run(&[&["send", "DefineArea", "--json", "-", "--id", "s-1"], &at[..]].concat(), body);
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((answer["first"].as_str(), answer["repeated"].as_bool()), (Some("3"), Some(false)));
    let (code, out, err) = run(&[&["send", "DefineArea", "--json", "-"], &at[..]].concat(), "{\"area_id\": \"x\", \"parent\": \"4408\"}");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("parent") && err.contains("错误") && err.contains("--id"), "{err}");

    let (code, out, err) = run(&[&["events", "--type", "AreaDefined", "--json"], &at[..]].concat(), "");
    assert_eq!((code, out.lines().count()), (0, 3), "{out}{err}");
    let (_, out, _) = run(&[&["events", "--from", "3"], &at[..]].concat(), "");
    assert!(out.contains("AreaDefined") && out.contains("中华街道"), "{out}");

    let caught_up = async {
        loop {
            let (code, out, err) = run(&[&["view", "coverage", "--area", "440802", "--json"], &at[..]].concat(), "");
            if code == 0 && out.contains("440802001") {
                break;
            }
            assert!(code == 0 || err.contains("unknown_area"), "{out}{err}");
        }
    };
    within(caught_up).await;
    let (code, out, _) = run(&[&["view", "coverage"], &at[..]].concat(), "");
    assert!(code == 0 && out.contains("赤坎区") && out.contains("缺口") && out.contains("3 行"), "{out}");
    let (code, _, err) = run(&[&["--lang", "en", "view", "roster"], &at[..]].concat(), "");
    assert!(code == 1 && err.contains("there is no view"), "{err}");

    let (code, _, err) = run(&["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"], "");
    assert!(code == 1 && err.contains("正被另一个进程使用"), "{err}");
    let (code, _, err) = run(&["--lang", "en", "doctor", "--data", data.to_str().unwrap()], "");
    assert!(code == 1 && err.contains("in use"), "{err}");

    assert_eq!(server.terminate().await, Some(0));
    let (code, out, err) = run(&["doctor", "--data", data.to_str().unwrap()], "");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("3 条记录"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_faults_imports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serve::start(&folder.path().join("data"));
    let sheet = folder.path().join("areas.csv");
    std::fs::write(&sheet, "编号,名称,层级,上级\n4408,湛江市,市,\n440802,赤坎区,县区,9999\n440802,又一个,县区,4408\n").unwrap();
    let (code, out, err) = run(&["import", "areas", sheet.to_str().unwrap(), "--server", &server.url], "");
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("第 3 行") && err.contains("9999") && err.contains("没有导入任何内容"), "{err}");
    let (_, out, _) = run(&["events", "--json", "--server", &server.url], "");
    assert_eq!(out, "");
}

#[test]
fn faults_of_the_command_line_are_for_people() {
    let (code, _, err) = run(&["serve"], "");
    assert!(code == 1 && err.contains("--data") && err.contains("没有指定数据目录"), "{err}");
    let (code, _, err) = run(&["fly"], "");
    assert!(code == 2 && err.contains("没有这个子命令"), "{err}");
    let (code, _, err) = run(&["--lang", "en", "view"], "");
    assert!(code == 2 && !err.contains("缺少"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("muster.toml");
    std::fs::write(&config, "lisen = \"127.0.0.1:0\"\n").unwrap();
    let (code, _, err) = run(&["serve", "--data", "x", "--config", config.to_str().unwrap()], "");
    assert!(code == 1 && err.contains("lisen"), "{err}");
    // Nobody listens there: a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, _, err) = run(&["view", "units", "--server", &format!("127.0.0.1:{port}")], "");
    assert!(code == 1 && err.contains("无法连接服务器"), "{err}");
    let (code, out, _) = run(&["--help"], "");
    assert!(code == 0 && out.contains("启动服务器") && out.contains("run the server"), "{out}");
}

/// What a person accepted is remembered by the folder, and only for as long as it is needed.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_and_a_lost_tail_can_be_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let options = muster_server::wiring::ServerOptions {
        clock: muster_engine::ClockSource::Manual { start_ms: 4_000_000_000_000 },
        ..crate::common::options(folder.path())
    };
    let server = muster_server::wiring::Server::start(options).await.unwrap();
    let request = reqwest::Client::new().post(format!("{}/v1/commands/DefineArea", server.url())).header("Idempotency-Key", "1");
    let body = serde_json::json!({"area_id": "4408", "name": "湛江市", "level": "AREA_LEVEL_CITY"});
    assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    server.shutdown().await;

    let (code, out, _) = run(&["doctor", "--data", data], "");
    assert!(code == 1 && out.contains("--accept-clock"), "{out}");
    let (code, out, err) = run(&["doctor", "--data", data, "--accept-clock"], "");
    assert_eq!(code, 0, "{out}{err}");
    let server = Serve::start(folder.path());
    assert_eq!(server.terminate().await, Some(0));

    let (code, out, err) = run(&["doctor", "--data", data, "--accept-loss", "--accept-clock"], "");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("已接受丢失"), "{out}");
    let server = Serve::start(folder.path());
    let (_, out, _) = run(&["events", "--json", "--server", &server.url], "");
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((last["type"].as_str(), last["event"]["epoch"].as_u64()), (Some("LogRestored"), Some(2)), "{last}");
    assert_eq!(server.terminate().await, Some(0));
}

/// The log's file may not grow beyond a limit, which fails a write as a broken disk does. The process must stop at once,
/// say so, and everything that it had answered must be there afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_ends_the_process_and_loses_nothing_answered() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let script = format!("trap '' XFSZ; ulimit -f 400; exec {} serve --data {data} --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_muster"));
    let mut child = Command::new("bash").args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    let lines: String = (0..4_000)
        .map(|at| {
            let body = serde_json::json!({"area_id": format!("a-{at}"), "name": "区".repeat(20), "level": "AREA_LEVEL_COUNTY", "parent_id": "4408"});
            format!("{}\n", serde_json::json!({"command": "DefineArea", "id": format!("a-{at}"), "body": body}))
        })
        .collect();
    let city = serde_json::json!({"area_id": "4408", "name": "湛江市", "level": "AREA_LEVEL_CITY"});
    let lines = format!("{}\n{lines}", serde_json::json!({"command": "DefineArea", "id": "city", "body": city}));
    let response = within(reqwest::Client::new().post(format!("{url}/v1/commands:batch?events=false")).body(lines).send()).await.unwrap();
    let answers = within(response.text()).await.unwrap();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (done, failed): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer["status"] == 200);
    assert!(!done.is_empty() && !failed.is_empty(), "{} done, {} failed", done.len(), failed.len());
    assert!(failed.iter().all(|answer| answer["status"] == 503), "{:?}", failed[0]);
    let output = within(tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())).await.unwrap();
    assert_eq!(output.status.code(), Some(70));
    assert!(text(&output).1.contains("日志已停止写入"));

    let server = Serve::start(folder.path());
    let (_, out, _) = run(&["events", "--json", "--server", &server.url], "");
    let stored: std::collections::BTreeSet<String> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["command_id"].as_str().unwrap().to_owned()).collect();
    for answer in done {
        assert!(stored.contains(answer["id"].as_str().unwrap()), "{answer} was answered and is gone");
    }
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_lets_in_nobody_whom_the_server_would_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    // The stream is not there: the worker waits for it, and its HTTP answers meanwhile.
    let worker = ["worker", "--nats", "nats://127.0.0.1:1", "--data", data];
    let everywhere = [&worker[..], &["--listen", "0.0.0.0:0"]].concat();
    let (code, _, said) = run(&everywhere, "");
    assert!(code != 0 && said.contains("muster token issue") && said.contains("--open"), "{code}: {said}");
    let config = folder.path().join("muster.toml");
    std::fs::write(&config, "[auth]\nissuer = \"https://id\"\n").unwrap();
    let (code, _, said) = run(&[&everywhere[..], &["--config", config.to_str().unwrap()]].concat(), "");
    assert!(code != 0 && said.contains("auth.jwks_file"), "half a provider is none: {said}");
    let (code, _, _) = run(&["token", "issue", "--data", data, "--role", "auditor", "--everything"], "");
    assert_eq!(code, 0);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("0.0.0.0:{port}");
    let child = muster(&[&worker[..], &["--listen", &listen]].concat()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let worker = Serve { child, url: format!("http://127.0.0.1:{port}") };
    within(async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let status = async |path: &str| reqwest::get(format!("{}{path}", worker.url)).await.unwrap().status().as_u16();
    for path in ["/v1/views/coverage", "/v1/views/calls/live", "/v1/status", "/metrics"] {
        assert_eq!(within(status(path)).await, 401, "{path}");
    }
    assert_eq!(within(status("/healthz")).await, 200, "health is for everybody");
}
