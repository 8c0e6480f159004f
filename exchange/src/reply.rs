//! Refusals, in the words that the client's SDK understands.

use serde_json::{Value, json};
use tollgate_policy::{Breach, Charge, QuotaRule};
use tollgate_pricing::PicoUsd;
use tollgate_record::Action;
use tollgate_wire::ErrorDialect;

/// An answer that does not come from upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, content type included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a call is refused, before it is put into a dialect's words.
pub(crate) struct Refusal {
    /// The record's `tollgate.decision.rule`.
    pub rule: String,
    message: String,
    kind: Kind,
}

enum Kind {
    BadRequest {
        code: &'static str,
    },
    Forbidden {
        code: &'static str,
    },
    Quota {
        retry_after_s: i64,
    },
    Throttle {
        retry_after_s: i64,
    },
    /// Sent again too often: whoever comes back at once is refused again.
    Retries {
        retry_after_s: i64,
    },
    TooLarge,
    StoreAway,
}

/// A window that ends later than this is nothing that a client should wait for: SDKs are told not to retry.
const WORTH_WAITING_S: i64 = 60;

impl Refusal {
    /// `hint` says how a client sends the tag.
    pub(crate) fn missing_tag(name: &str, hint: &str) -> Self {
        let message =
            format!("the required tag `{name}` is missing or has a value that is not allowed: {hint}");
        Self {
            rule: format!("tags.{name}"),
            message,
            kind: Kind::BadRequest { code: "missing_required_tag" },
        }
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("the model `{model}` has no price here, and calls without a price are refused");
        Self {
            rule: "pricing.unknown_model".to_owned(),
            message,
            kind: Kind::BadRequest { code: "unknown_model" },
        }
    }

    pub(crate) fn quota(rule: &QuotaRule, retry_after_s: i64) -> Self {
        if rule.limit.charge == Charge::InFlight {
            let message = format!("the quota `{}` allows no more calls at the same time", rule.name);
            return Self { rule: rule.name.clone(), message, kind: Kind::Quota { retry_after_s } };
        }
        Self::spent(&rule.name, retry_after_s)
    }

    fn spent(name: &str, retry_after_s: i64) -> Self {
        let message = format!("the quota `{name}` is used up, it starts again in {retry_after_s} s");
        Self { rule: name.to_owned(), message, kind: Kind::Quota { retry_after_s } }
    }

    /// The end of a running stream.
    pub(crate) fn cut(name: &str) -> Self {
        let message = format!("the quota `{name}` is used up, the answer ends here");
        let retry_after_s = WORTH_WAITING_S.saturating_add(1);
        Self { rule: name.to_owned(), message, kind: Kind::Quota { retry_after_s } }
    }

    pub(crate) fn throttled(rule: &QuotaRule, retry_after_s: i64) -> Self {
        let name = rule.name.clone();
        let message = format!(
            "the quota `{name}` is used faster than its window passes, try again in {retry_after_s} s"
        );
        Self { rule: name, message, kind: Kind::Throttle { retry_after_s } }
    }

    /// A rule about agents is against the call.
    #[cold]
    #[inline(never)]
    pub(crate) fn agent(rule: &str, breach: Breach) -> Self {
        let what = match breach {
            Breach::SameTurn(times) => format!("its last message is the same as {times} times before"),
            Breach::SameToolCall(times) => {
                format!("its last calls of tools are the same as {times} times before")
            }
            Breach::Calls(most) => format!("its workflow has made the {most} calls that it may make"),
            Breach::Usd(most) => {
                format!("its workflow has used up the {} USD that it may cost", PicoUsd::from_pico(most))
            }
            Breach::InputGrowth(most) => {
                format!("its request is more than {most} times as long as the first one of its workflow")
            }
        };
        let message = format!("`{rule}` takes this call for an agent in a loop: {what}");
        Self { rule: rule.to_owned(), message, kind: Kind::Forbidden { code: "agent_loop" } }
    }

    /// A guard is against the call: its key departs from its own past.
    #[cold]
    #[inline(never)]
    pub(crate) fn guard(rule: &str, watch: &str, retry_after_s: i64) -> Self {
        let message = format!("`{rule}` holds calls back: {watch} is far above what is usual here");
        Self { rule: rule.to_owned(), message, kind: Kind::Quota { retry_after_s } }
    }

    pub(crate) fn too_many_retries(failures: u32, within_s: u32) -> Self {
        let message =
            format!("the same call has failed {failures} times in a row, it may be sent again later");
        let kind = Kind::Retries { retry_after_s: i64::from(within_s) };
        Self { rule: "retries".to_owned(), message, kind }
    }

    /// The same refusal for so many seconds only.
    pub(crate) fn for_a_moment(self, retry_after_s: i64) -> Self {
        let message = format!("{}, try again in {retry_after_s} s", self.message);
        Self { message, kind: Kind::Throttle { retry_after_s }, ..self }
    }

    /// What the client is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn forbidden_model(route: usize, model: &str) -> Self {
        let message = format!("the model `{model}` is not allowed here");
        Self {
            rule: format!("routes[{route}]"),
            message,
            kind: Kind::Forbidden { code: "model_not_allowed" },
        }
    }

    pub(crate) fn unbudgeted() -> Self {
        let message = "no budget covers this call, and such calls are refused here".to_owned();
        Self { rule: "unbudgeted".to_owned(), message, kind: Kind::Forbidden { code: "no_budget" } }
    }

    pub(crate) fn dry_run() -> Self {
        let message = "dry runs tell what is left of budgets, and are not allowed here".to_owned();
        Self { rule: "dry_run".to_owned(), message, kind: Kind::Forbidden { code: "dry_run_not_allowed" } }
    }

    /// `most` is in pico-USD.
    pub(crate) fn too_expensive(most: i128) -> Self {
        let most = PicoUsd::from_pico(most);
        let message = format!("the call may cost more than {most} USD, the most that one call may cost here");
        Self {
            rule: "limits.max_request_usd".to_owned(),
            message,
            kind: Kind::BadRequest { code: "request_too_expensive" },
        }
    }

    /// `most` is how many bytes may be held.
    pub(crate) fn unheld(most: u64) -> Self {
        let message = format!("the body cannot be checked: {}", why_unheld(most));
        Self { rule: "limits.max_body_bytes".to_owned(), message, kind: Kind::TooLarge }
    }

    /// `hint` says how a client sends the tag, `most` is how many bytes may be held.
    pub(crate) fn unseen_tag(name: &str, hint: &str, most: u64) -> Self {
        let message = format!(
            "whether the body has the required tag `{name}` cannot be checked: {}; {hint}, or let such calls pass \
             by `limits.on_large_body: pass`",
            why_unheld(most)
        );
        Self { rule: format!("tags.{name}"), message, kind: Kind::TooLarge }
    }

    pub(crate) fn unrewritable(rule: &str) -> Self {
        let message =
            format!("`{rule}` would have to change this request, which is signed or cannot be read");
        Self { rule: rule.to_owned(), message, kind: Kind::BadRequest { code: "request_not_rewritable" } }
    }

    /// What the record says was done.
    pub(crate) const fn action(&self) -> Action {
        match self.kind {
            Kind::Throttle { .. } => Action::Throttle,
            _ => Action::Deny,
        }
    }

    pub(crate) fn unmetered(reason: &str) -> Self {
        let message = format!("this call cannot be metered (`{reason}`), and such calls are refused here");
        Self {
            rule: "upstreams.unmetered".to_owned(),
            message,
            kind: Kind::Forbidden { code: "unmetered_call" },
        }
    }

    pub(crate) fn store_away() -> Self {
        let message = "the budget for this call cannot be checked at the moment".to_owned();
        Self { rule: "store".to_owned(), message, kind: Kind::StoreAway }
    }

    pub(crate) fn into_reply(self, dialect: ErrorDialect) -> LocalReply {
        let status = self.status();
        let body = self.body(dialect, status).to_string().into_bytes();
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(self.retry_headers());
        if dialect == ErrorDialect::Bedrock {
            headers.push(("x-amzn-errortype", self.bedrock_type().to_owned()));
        }
        LocalReply { status, headers, body }
    }

    const fn status(&self) -> u16 {
        match self.kind {
            Kind::BadRequest { .. } => 400,
            Kind::Forbidden { .. } => 403,
            Kind::Quota { .. } | Kind::Throttle { .. } | Kind::Retries { .. } => 429,
            Kind::TooLarge => 413,
            Kind::StoreAway => 503,
        }
    }

    fn retry_headers(&self) -> Vec<(&'static str, String)> {
        let retry_after_s = match self.kind {
            Kind::Quota { retry_after_s } | Kind::Throttle { retry_after_s } => retry_after_s,
            Kind::Retries { retry_after_s } => {
                return vec![
                    ("retry-after", retry_after_s.to_string()),
                    ("x-should-retry", "false".to_owned()),
                ];
            }
            _ => return Vec::new(),
        };
        let mut headers = vec![
            ("retry-after", retry_after_s.to_string()),
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-reset", retry_after_s.to_string()),
        ];
        if retry_after_s > WORTH_WAITING_S {
            headers.push(("x-should-retry", "false".to_owned()));
        }
        headers
    }

    fn body(&self, dialect: ErrorDialect, status: u16) -> Value {
        let message = &self.message;
        match dialect {
            ErrorDialect::OpenAi => {
                let (kind, code) = self.openai_words();
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            ErrorDialect::Anthropic => {
                json!({"type": "error", "error": {"type": self.anthropic_type(), "message": message}})
            }
            ErrorDialect::Gemini => {
                json!({"error": {"code": status, "message": message, "status": self.google_status()}})
            }
            ErrorDialect::Ollama => json!({"error": message}),
            ErrorDialect::Bedrock | ErrorDialect::Cohere => json!({"message": message}),
        }
    }

    /// OpenAI's `type` and `code`. `insufficient_quota` is what its SDK and its users know as "do not come back soon".
    const fn openai_words(&self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::BadRequest { code } | Kind::Forbidden { code } => ("invalid_request_error", code),
            Kind::Quota { retry_after_s } if retry_after_s > WORTH_WAITING_S => {
                ("insufficient_quota", "insufficient_quota")
            }
            Kind::Quota { .. } | Kind::Throttle { .. } => ("rate_limit_error", "rate_limit_exceeded"),
            Kind::Retries { .. } => ("rate_limit_error", "too_many_retries"),
            Kind::TooLarge => ("invalid_request_error", "request_too_large"),
            Kind::StoreAway => ("server_error", "budget_unavailable"),
        }
    }

    const fn anthropic_type(&self) -> &'static str {
        match self.kind {
            Kind::BadRequest { .. } => "invalid_request_error",
            Kind::Forbidden { .. } => "permission_error",
            Kind::Quota { .. } | Kind::Throttle { .. } | Kind::Retries { .. } => "rate_limit_error",
            Kind::TooLarge => "request_too_large",
            Kind::StoreAway => "api_error",
        }
    }

    const fn google_status(&self) -> &'static str {
        match self.kind {
            Kind::BadRequest { .. } | Kind::TooLarge => "INVALID_ARGUMENT",
            Kind::Forbidden { .. } => "PERMISSION_DENIED",
            Kind::Quota { .. } | Kind::Throttle { .. } | Kind::Retries { .. } => "RESOURCE_EXHAUSTED",
            Kind::StoreAway => "UNAVAILABLE",
        }
    }

    const fn bedrock_type(&self) -> &'static str {
        match self.kind {
            Kind::BadRequest { .. } | Kind::TooLarge => "ValidationException",
            Kind::Forbidden { .. } => "AccessDeniedException",
            Kind::Quota { .. } | Kind::Throttle { .. } | Kind::Retries { .. } => "ThrottlingException",
            Kind::StoreAway => "ServiceUnavailableException",
        }
    }
}

/// Why a body is not read before it is sent.
fn why_unheld(most: u64) -> String {
    format!("it is compressed, of unknown length, longer than {most} bytes, not held here, or does not come")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refusal: Refusal, dialect: ErrorDialect, status: u16, body: &str) {
        let reply = refusal.into_reply(dialect);
        assert_eq!((reply.status, String::from_utf8(reply.body).unwrap().as_str()), (status, body));
    }

    #[test]
    fn a_spent_quota_speaks_each_dialect() {
        let quota = || Refusal::spent("team-day", 3600);
        let message = "the quota `team-day` is used up, it starts again in 3600 s";
        for (dialect, body) in [
            (
                ErrorDialect::OpenAi,
                format!(
                    r#"{{"error":{{"code":"insufficient_quota","message":"{message}","param":null,"type":"insufficient_quota"}}}}"#
                ),
            ),
            (
                ErrorDialect::Anthropic,
                format!(r#"{{"error":{{"message":"{message}","type":"rate_limit_error"}},"type":"error"}}"#),
            ),
            (
                ErrorDialect::Gemini,
                format!(r#"{{"error":{{"code":429,"message":"{message}","status":"RESOURCE_EXHAUSTED"}}}}"#),
            ),
            (ErrorDialect::Bedrock, format!(r#"{{"message":"{message}"}}"#)),
            (ErrorDialect::Ollama, format!(r#"{{"error":"{message}"}}"#)),
        ] {
            check(quota(), dialect, 429, &body);
        }
    }

    #[test]
    fn clients_are_told_when_to_come_back_and_not_to_hammer() {
        let headers = |seconds| Refusal::spent("q", seconds).into_reply(ErrorDialect::OpenAi).headers;
        assert!(headers(30).contains(&("retry-after", "30".to_owned())));
        assert!(!headers(30).iter().any(|(name, _)| *name == "x-should-retry"));
        assert!(headers(61).contains(&("x-should-retry", "false".to_owned())));
    }
}
