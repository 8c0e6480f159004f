//! The stand-in for a provider: ready-made bytes, one thread per connection. The harness has one that records what it got;
//! this one must stay out of the way of what is measured.

use std::io::{Error, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use crate::http1::Incoming;
use crate::workload::{WORKLOAD_HEADER, Workload};

/// Serves the workloads' replies on a free port of 127.0.0.1, as long as this process lives.
pub fn start(workloads: Arc<Vec<Workload>>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let workloads = Arc::clone(&workloads);
            // A connection that breaks shows on the client's side.
            std::thread::spawn(move || drop(serve(stream, &workloads)));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, workloads: &[Workload]) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = Incoming::new(stream.try_clone()?);
    while let Some(head) = incoming.head()? {
        let body = incoming.body(&head)?;
        let name = head.value(WORKLOAD_HEADER).unwrap_or_default();
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
