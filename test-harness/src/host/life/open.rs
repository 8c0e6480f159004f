//! Streams that are left open: what many of them hold at the same time.

use serde_json::Value;

use super::{Call, Host};
use crate::Error;
use crate::host::protobuf;
use crate::http::{Reply, Request};

/// A stream that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open(u32);

impl Host {
    /// Makes a call on the first route and leaves it open once the whole body of the reply has passed, but for its end.
    ///
    /// # Errors
    /// Where the plugin traps, or answers itself.
    pub fn leave_open(&mut self, request: &Request, reply: &Reply) -> Result<Open, Error> {
        let route = self.routes.first().cloned();
        let cluster = route.as_ref().and_then(|route| route.cluster.clone()).unwrap_or_default();
        // The whole body passes, and then the upstream falls silent.
        let reply = Reply { cut_after: Some(usize::MAX), ..reply.clone() };
        let mut call = Call::new(self, request, &reply, &cluster, &route.unwrap_or_default().name)?;
        call.request()?;
        if call.answered() {
            return Err(Error::Proxy("the plugin answered a call that was to stay open".to_owned()));
        }
        call.upstream_reply()?;
        Ok(Open(call.id))
    }

    /// Ends a stream that was left open, as a client does that goes away, and hands back its record.
    ///
    /// # Errors
    /// Where the plugin traps.
    pub fn end(&mut self, Open(id): Open) -> Result<Value, Error> {
        self.world().streams.entry(id).or_default().logging = true;
        self.call::<u32, ()>("proxy_on_log", id, id)?;
        let stream = self.world().streams.remove(&id);
        self.call::<u32, ()>("proxy_on_delete", id, id)?;
        let record = stream.and_then(|stream| protobuf::decode(stream.properties.get("tollgate")?));
        Ok(record.unwrap_or(Value::Null))
    }
}
