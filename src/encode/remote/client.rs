use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

use super::{RemoteError, RemoteOptions};

/// Answers longer than this are not read.
const ANSWER_LIMIT: u64 = 1 << 30;
/// How much of an error's text is kept, in characters.
const MESSAGE_LIMIT: usize = 300;
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Makes requests of one service, within its limits.
pub(crate) struct Client {
    options: RemoteOptions,
    key: Option<String>,
    agent: Agent,
    /// When the next request may be made.
    turn: Mutex<Instant>,
}

/// What became of one attempt.
enum Outcome {
    Done(Value),
    /// Passing trouble, and how long the service asks to wait.
    Again(RemoteError, Option<Duration>),
    Failed(RemoteError),
}

impl Client {
    pub(crate) fn new(options: RemoteOptions) -> Result<Self, RemoteError> {
        let key = options.key.read()?;
        // A redirect could lead the key elsewhere.
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(options.timeout()))
            .user_agent(concat!("lateen/", env!("CARGO_PKG_VERSION")));
        let agent = config.build().new_agent();
        Ok(Self { options, key, agent, turn: Mutex::new(Instant::now()) })
    }

    pub(crate) fn options(&self) -> &RemoteOptions {
        &self.options
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.options.endpoint.trim_end_matches('/'))
    }

    /// Posts JSON to `path` below the endpoint and gives the JSON that is answered.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        let (url, body) = (self.url(path), body.to_string());
        let mut wait = self.options.backoff();
        let attempts = self.options.attempts.max(1);
        let mut attempt = 1;
        loop {
            self.await_turn();
            match self.attempt(&url, &body, attempt) {
                Outcome::Done(answer) => return Ok(answer),
                Outcome::Failed(error) => return Err(error),
                Outcome::Again(error, _) if attempt >= attempts => return Err(error),
                Outcome::Again(error, asked) => {
                    tracing::warn!(%error, attempt, "a request failed; it is made again");
                    std::thread::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT));
                    wait = wait.saturating_mul(2);
                    attempt += 1;
                }
            }
        }
    }

    /// Waits until a request may be made, and takes its turn.
    fn await_turn(&self) {
        let Some(per_minute) = self.options.requests_per_minute.filter(|&number| number > 0) else { return };
        let gap = Duration::from_secs(60) / per_minute;
        let wait = {
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let mine = (*turn).max(now);
            *turn = mine + gap;
            mine - now
        };
        std::thread::sleep(wait);
    }

    fn attempt(&self, url: &str, body: &str, attempts: u32) -> Outcome {
        let failed = |error: &dyn std::fmt::Display| {
            let (url, message) = (url.to_owned(), error.to_string());
            Outcome::Again(RemoteError::Unreachable { url, attempts, message }, None)
        };
        let mut request = self.agent.post(url).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let answer = match request.send(body) {
            Ok(answer) => answer,
            Err(error) => return failed(&error),
        };
        let status = answer.status().as_u16();
        let asked =
            answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let asked = asked.map(Duration::from_secs);
        let mut bytes = Vec::new();
        if let Err(error) = answer.into_body().into_reader().take(ANSWER_LIMIT + 1).read_to_end(&mut bytes) {
            return failed(&error);
        }
        if status != 200 {
            let message = String::from_utf8_lossy(&bytes).chars().take(MESSAGE_LIMIT).collect();
            let error = RemoteError::Status { url: url.to_owned(), attempts, status, message };
            return match status {
                408 | 409 | 425 | 429 | 500..=599 => Outcome::Again(error, asked),
                _ => Outcome::Failed(error),
            };
        }
        if bytes.len() as u64 > ANSWER_LIMIT {
            let problem = format!("it is longer than {ANSWER_LIMIT} bytes");
            return Outcome::Failed(RemoteError::Answer { url: url.to_owned(), problem });
        }
        match serde_json::from_slice(&bytes) {
            Ok(answer) => Outcome::Done(answer),
            Err(error) => {
                let problem = format!("it is no JSON: {error}");
                Outcome::Failed(RemoteError::Answer { url: url.to_owned(), problem })
            }
        }
    }
}

impl std::fmt::Debug for Client {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .field("has_key", &self.key.is_some())
            .finish()
    }
}
