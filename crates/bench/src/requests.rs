//! Requests as the gateway would hand them to the engine, and handing many of them in. It checks every answer: a command
//! that was refused ends the run.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Context as _, Result, bail, ensure};
use muster_demo::{ScriptCommand, Voice};
use muster_engine::EngineHandle;
use muster_proto::{Answer, Command, CommandError, Request, v1};
use muster_server::gateway::{CommandId, Gateway, Principal};

use crate::limits;

/// Who all commands of the benches come from.
pub(crate) const PRINCIPAL: &str = "bench";

/// A request with nothing personal in it.
pub(crate) fn request(voice: &Voice, id: String, command: Command) -> Request {
    let context: v1::Context = serde_json::from_value(voice.context()).expect("a voice speaks the contract");
    let digest = digest(&id);
    Request { principal: PRINCIPAL.to_owned(), id, digest, context, command }
}

/// Stands in for the gateway's keyed digest: as long, and another one for each command.
pub(crate) fn digest(id: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    for (lane, bytes) in digest.chunks_exact_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        (id, lane).hash(&mut hasher);
        bytes.copy_from_slice(&hasher.finish().to_be_bytes());
    }
    digest
}

/// The requests of script commands, their personal fields sealed as in production.
pub(crate) fn sealed(gateway: &Gateway, commands: impl IntoIterator<Item = ScriptCommand>) -> Result<Vec<Request>> {
    let principal = Principal::new(PRINCIPAL).map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
    let mut prepared = Vec::new();
    for command in commands {
        let ScriptCommand { name, id, context, mut body } = command;
        let members = body.as_object_mut().with_context(|| format!("{name} {id} has a body that is no object"))?;
        members.insert("context".to_owned(), context);
        let command_id = CommandId::new(&id).map_err(|problem| anyhow::anyhow!("{id}: {problem:?}"))?;
        prepared.push(gateway.prepare(principal.clone(), command_id, name, body).with_context(|| format!("{name} {id}"))?);
    }
    gateway.seal_many(prepared).into_iter().map(|request| request.map_err(Into::into)).collect()
}

/// What handing many commands in came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Driven {
    pub(crate) commands: u64,
    pub(crate) records: u64,
}

/// Hands the requests in, many under way at the same time, and waits for all answers. Each must have made records.
pub(crate) fn drive(engine: &EngineHandle, requests: impl IntoIterator<Item = Request>) -> Result<Driven> {
    let mut under_way = VecDeque::new();
    let mut driven = Driven::default();
    for request in requests {
        if under_way.len() == limits::DRIVE_WINDOW
            && let Some((id, waiting)) = under_way.pop_front()
        {
            driven.count(id, muster_engine::Waiting::wait(waiting))?;
        }
        under_way.push_back((request.id.clone(), engine.submit_waiting(request)));
    }
    for (id, waiting) in under_way {
        driven.count(id, waiting.wait())?;
    }
    Ok(driven)
}

impl Driven {
    fn count(&mut self, id: String, outcome: Result<Answer, CommandError>) -> Result<()> {
        let answer = outcome.with_context(|| format!("command {id}"))?;
        ensure!(!answer.repeated, "command {id} was handed in before");
        if answer.first == 0 {
            bail!("command {id} changed nothing");
        }
        self.commands += 1;
        self.records += answer.last - answer.first + 1;
        Ok(())
    }
}
