//! What a stand-in of Webdis answers: as the real one, it names the call that it was asked about.

use crate::http::Reply;

/// `reply` with `<id>` in its body replaced by the id in the script that was asked for: `EVAL/script/count/key.../id/argument...`.
pub fn naming_the_call(reply: &Reply, asked: &[u8]) -> Reply {
    let asked = String::from_utf8_lossy(asked);
    let parts: Vec<&str> = asked.split('/').collect();
    let keys = parts.get(2).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    let id = parts.get(3 + keys).copied().unwrap_or_default();
    match std::str::from_utf8(&reply.body) {
        Ok(body) => Reply { body: body.replace("<id>", id).into_bytes(), ..reply.clone() },
        Err(_) => reply.clone(),
    }
}

/// What a store answers that admits whatever it is asked.
pub fn willing() -> Reply {
    Reply::json(r#"{"EVAL":["<id>",-1]}"#)
}
