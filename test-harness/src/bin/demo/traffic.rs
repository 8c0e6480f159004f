//! The demo's calls.

use serde_json::{Value, json};
use tollgate_test_harness::http::{Headers, Request};

/// Which SDK would send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

/// One call of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub dialect: Dialect,
    pub model: &'static str,
    pub streamed: bool,
    /// Nothing: a call that is refused for it.
    pub team: Option<&'static str>,
    pub feature: &'static str,
    pub question: &'static str,
    pub outcome: Outcome,
}

/// What must become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered by this model, and the record says that much of the decision.
    Answered { model: &'static str, action: &'static str },
    /// It is refused with this status.
    Refused { status: u16 },
}

const MINI: &str = "gpt-4.1-mini";
const HAIKU: &str = "claude-haiku-4-5";
const FLASH: &str = "gemini-2.5-flash";

const LARGE: &str = "gpt-4.1";

/// Whose budget runs out, and how much it is in USD.
pub const AGENTS: &str = "agents";
pub const AGENTS_USD: &str = "0.0016";

/// A small mixed traffic: three providers, streamed and not, a budget that runs out on the way, and one call without a team.
pub const CALLS: &[Call] = &[
    call(Dialect::OpenAi, MINI, false, "search", "answers", "Why is the sky blue?"),
    call(Dialect::OpenAi, MINI, true, "search", "answers", "Why is the sky red in the evening?"),
    call(
        Dialect::Anthropic,
        HAIKU,
        false,
        "support",
        "triage",
        "Is this ticket urgent: the printer is out of paper.",
    ),
    call(Dialect::Anthropic, HAIKU, true, "support", "replies", "Answer the ticket about the printer."),
    call(Dialect::Gemini, FLASH, false, "ads", "headlines", "Three headlines for blue umbrellas."),
    call(Dialect::Gemini, FLASH, true, "ads", "headlines", "Three more, shorter."),
    call(Dialect::OpenAi, LARGE, false, "support", "replies", "Say it again, politely."),
    call(Dialect::Gemini, FLASH, true, "search", "answers", "And the sea?"),
    of_agents(Outcome::Answered { model: LARGE, action: "allow" }),
    of_agents(Outcome::Answered { model: LARGE, action: "warn" }),
    of_agents(Outcome::Answered { model: MINI, action: "downgrade" }),
    of_agents(Outcome::Refused { status: 429 }),
    Call {
        team: None,
        outcome: Outcome::Refused { status: 400 },
        ..call(Dialect::OpenAi, MINI, false, "", "answers", "Who pays for this?")
    },
];

const fn call(
    dialect: Dialect,
    model: &'static str,
    streamed: bool,
    team: &'static str,
    feature: &'static str,
    question: &'static str,
) -> Call {
    let outcome = Outcome::Answered { model, action: "allow" };
    Call { dialect, model, streamed, team: Some(team), feature, question, outcome }
}

/// The same call again and again: what becomes of it depends on what is left.
const fn of_agents(outcome: Outcome) -> Call {
    Call { outcome, ..call(Dialect::OpenAi, LARGE, false, AGENTS, "digests", "Summarise this page.") }
}

impl Call {
    pub fn request(&self) -> Request {
        let mut headers =
            Headers::from_iter([("content-type", "application/json"), ("x-feature", self.feature)]);
        headers.push("x-customer-id", self.customer());
        // Agents often pass their workflow on as baggage, which tracing libraries carry along.
        headers.push("baggage", format!("workflow={}", self.workflow()));
        if let Some(team) = self.team {
            headers.push("x-team", team);
        }
        Request {
            path: self.path(),
            headers,
            body: self.body().to_string().into_bytes(),
            ..Request::default()
        }
    }

    fn customer(&self) -> &'static str {
        if self.question.len().is_multiple_of(2) { "acme" } else { "initech" }
    }

    fn workflow(&self) -> &'static str {
        if self.streamed { "chat" } else { "nightly-digest" }
    }

    fn path(&self) -> String {
        match (self.dialect, self.streamed) {
            (Dialect::OpenAi, _) => "/v1/chat/completions".to_owned(),
            (Dialect::Anthropic, _) => "/v1/messages".to_owned(),
            (Dialect::Gemini, false) => format!("/v1beta/models/{}:generateContent", self.model),
            (Dialect::Gemini, true) => format!("/v1beta/models/{}:streamGenerateContent?alt=sse", self.model),
        }
    }

    pub fn body(&self) -> Value {
        let messages = json!([{"role": "user", "content": self.question}]);
        match self.dialect {
            Dialect::OpenAi => json!({"model": self.model, "stream": self.streamed, "messages": messages}),
            Dialect::Anthropic => {
                json!({"model": self.model, "stream": self.streamed, "max_tokens": 200, "messages": messages})
            }
            Dialect::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": self.question}]}]}),
        }
    }
}
