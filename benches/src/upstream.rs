//! The stand-in for a provider: ready-made bytes, one thread per connection. The harness has one that records what it got;
//! this one must stay out of the way of what is measured. It stands in for a store too, and counts what that is told.

use std::io::{Error, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;

use crate::http1::Incoming;
use crate::workload::{WORKLOAD_HEADER, Workload};

/// What the store was told, in messages and bytes of their bodies.
#[derive(Debug, Default)]
pub struct Told {
    /// Messages.
    pub messages: AtomicU64,
    /// Bytes of their bodies.
    pub bytes: AtomicU64,
}

/// A thousand streams are a thousand threads, which do little.
const STACK: usize = 256 * 1024;

/// Serves the workloads' replies on a free port of 127.0.0.1, as long as this process lives.
pub fn start(workloads: Arc<Vec<Workload>>, told: Arc<Told>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (workloads, told) = (Arc::clone(&workloads), Arc::clone(&told));
            // A connection that breaks shows on the client's side.
            let serving = move || drop(serve(stream, &workloads, &told));
            drop(Builder::new().stack_size(STACK).spawn(serving));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, workloads: &[Workload], told: &Told) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = Incoming::new(stream.try_clone()?);
    while let Some(head) = incoming.head()? {
        let body = incoming.body(&head)?;
        let Some(name) = head.value(WORKLOAD_HEADER) else {
            told.messages.fetch_add(1, Ordering::Relaxed);
            told.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
            stream.write_all(&store_answer(&String::from_utf8_lossy(&body)))?;
            continue;
        };
        let workload = workloads.iter().find(|workload| workload.name == name);
        let workload = workload.ok_or_else(|| Error::other(format!("no workload `{name}`")))?;
        for (index, bytes) in workload.reply.writes_for(&body).iter().enumerate() {
            if index > 0 {
                std::thread::sleep(workload.reply.pause);
            }
            stream.write_all(bytes)?;
        }
    }
    Ok(())
}

/// What a Webdis answers in front of a Redis that admits whatever it is asked: `EVAL/script/count/key.../argument...`, each part
/// percent-encoded. The scripts are told apart by Redis's commands in them.
fn store_answer(asked: &str) -> Vec<u8> {
    let parts: Vec<&str> = asked.split('/').collect();
    let script = parts.get(1).copied().unwrap_or_default();
    let keys = parts.get(2).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    let argument = |index: usize| parts.get(3 + keys + index).copied().unwrap_or_default();
    let answer = if script.contains("HKEYS") {
        format!("\"{}\",1{}", argument(1), ",\"0\"".repeat(keys))
    } else if script.contains("ZRANGEBYSCORE") {
        format!("\"{}\",-1{}", argument(0), ",\"0\"".repeat(keys.saturating_sub(1)))
    } else {
        format!("\"{}\",1", argument(0))
    };
    let body = format!("{{\"EVAL\":[{answer}]}}");
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_names_what_it_was_asked_about() {
        for (asked, expected) in [
            ("EVAL/ZRANGEBYSCORE/2/mark/key/7-1-1/1/2", r#"{"EVAL":["7-1-1",-1,"0"]}"#),
            ("EVAL/HINCRBY/2/mark/key/7-1-1/3600", r#"{"EVAL":["7-1-1",1]}"#),
            ("EVAL/HKEYSZRANGEBYSCORE/2/k/l/proxy/proxy-1/9", r#"{"EVAL":["proxy-1",1,"0","0"]}"#),
        ] {
            let answer = String::from_utf8(store_answer(asked)).expect("text");
            assert!(answer.ends_with(expected), "{asked}: {answer}");
        }
    }
}
