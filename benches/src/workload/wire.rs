//! Messages of HTTP/1.1, ready to be written.

/// The header that tells the upstream which workload a request is of.
pub const WORKLOAD_HEADER: &str = "x-workload";

/// Whose calls they are, unless they are made for several.
pub const USER: &str = "u-4711";

/// So many users there can be.
pub const USERS: u32 = 10_000;

/// What ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A request as an SDK sends it.
pub fn request(path: &str, workload: &str, body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [
        ("host", "api.openai.com"),
        ("user-agent", "OpenAI/Python 2.0.0"),
        ("authorization", "Bearer bench"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("x-stainless-lang", "python"),
        ("x-team", "search"),
        ("x-feature", "answers"),
        ("x-customer-id", "acme"),
        ("x-workflow-id", "wf-17"),
        ("x-app", "portal"),
        ("x-user", USER),
        (WORKLOAD_HEADER, workload),
        ("content-length", &length),
    ];
    message(&format!("POST {path} HTTP/1.1"), headers.iter().chain(more), body.as_bytes())
}

/// A response whose length is known.
pub fn sized(content_type: &str, more: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [("content-type", content_type), ("content-length", &length)];
    message("HTTP/1.1 200 OK", headers.iter().chain(RESPONSE_HEADERS).chain(more), body)
}

/// The head of a response that comes in chunks.
pub fn chunked_head(content_type: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let headers = [("content-type", content_type), ("transfer-encoding", "chunked")];
    message("HTTP/1.1 200 OK", headers.iter().chain(RESPONSE_HEADERS).chain(more), b"")
}

/// One chunk of a body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

const RESPONSE_HEADERS: &[(&str, &str)] = &[
    ("x-request-id", "req_bench"),
    ("openai-processing-ms", "321"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-remaining-requests", "9999"),
];

fn message<'a>(
    first_line: &str,
    headers: impl Iterator<Item = &'a (&'a str, &'a str)>,
    body: &[u8],
) -> Vec<u8> {
    let lines: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    [format!("{first_line}\r\n{lines}\r\n").as_bytes(), body].concat()
}
