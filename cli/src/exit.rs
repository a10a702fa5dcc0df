//! How the program ends: one exit code per kind of failure, and a message that says what happened
//! and what to do.

use std::process::ExitCode;

use casewise_chain::ChainError;
use casewise_client::{Category, ClientError};
use serde_json::json;

use crate::output::{clean_json, clean_lines};

/// Text of the exit codes, for `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or an input cannot be used
  3  not authorised
  4  not found
  5  the chain cannot be reached
  6  an agent cannot be reached
  7  a check of integrity failed: something is forged, changed or damaged";

/// A failure on its way to the person.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    advice: String,
}

impl Failure {
    /// Something given that cannot be used.
    pub fn usage(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), advice: advice.into() }
    }

    /// Any other failure.
    pub fn other(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), advice: advice.into() }
    }

    /// Not allowed, or declined.
    pub fn refused(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code: 3, message: message.into(), advice: advice.into() }
    }

    /// Not there.
    pub fn not_found(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code: 4, message: message.into(), advice: advice.into() }
    }

    /// A check failed.
    pub fn integrity(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code: 7, message: message.into(), advice: advice.into() }
    }

    /// Tells the person and gives the exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            let error = json!({"error": self.message, "advice": self.advice, "code": self.code});
            eprintln!("{}", clean_json(&error.to_string()));
        } else {
            eprintln!("Error: {}", clean_lines(&self.message));
            if !self.advice.is_empty() {
                eprintln!("  {}", clean_lines(&self.advice));
            }
        }
        ExitCode::from(self.code)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match error.category() {
            Category::Failure => 1,
            Category::Usage => 2,
            Category::NotAuthorised => 3,
            Category::NotFound => 4,
            Category::ChainUnreachable => 5,
            Category::AgentUnreachable => 6,
            Category::Integrity => 7,
        };
        Self { code, message: error.to_string(), advice: error.advice().into() }
    }
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        ClientError::from(error).into()
    }
}
