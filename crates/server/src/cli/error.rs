//! Errors of the command line: words for people in both languages, and an exit code for scripts.

use std::io;

use serde_json::Value;

use super::print;
use crate::config::ConfigError;
use crate::problem::Problem;
use crate::words::{Lang, Words};

/// It did not work.
pub(super) const EXIT_FAILED: u8 = 1;

/// Why a command of the command line failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    /// What, why, and what to do about it.
    pub words: Words,
    /// What the process ends with.
    pub exit_code: u8,
}

impl CliError {
    /// An error with words in both languages.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { words: Words::new(zh, en), exit_code: EXIT_FAILED }
    }

    /// The same error with another exit code.
    #[must_use]
    pub const fn with_code(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// A file or stream that cannot be used.
    #[must_use]
    pub fn io(what: &str, error: &io::Error) -> Self {
        Self::new(format!("{what}：{error}"), format!("{what}: {error}"))
    }

    /// A problem as a server sent it.
    #[must_use]
    pub fn from_problem(document: &Value) -> Self {
        let text = |key: &str| document[key].as_str().unwrap_or_default();
        let field = match text("field") {
            "" => String::new(),
            field => format!(", {field}"),
        };
        let code = format!("[{}{field}]", text("code"));
        Self::new(format!("{} {code}", text("detail_zh")), format!("{} {code}", text("detail_en")))
    }

    /// Prints it to stderr.
    pub fn print(&self, lang: Lang) {
        let label = match lang {
            Lang::Zh => "错误：",
            Lang::En => "error: ",
        };
        print::to_stderr(&format!("{label}{}", self.words.get(lang)));
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self { words: error.words(), exit_code: EXIT_FAILED }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self { words: *problem.detail, exit_code: EXIT_FAILED }
    }
}
