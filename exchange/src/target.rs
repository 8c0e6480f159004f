//! Whom a request calls, remembered: clients call the same few places over and over.

use crate::config::Rules;
use crate::head::Head;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tollgate_wire::{Call, region_of};

/// Whom a request calls.
#[derive(Debug)]
pub(crate) struct Target {
    pub call: Call,
    /// Without its port.
    pub host: String,
    pub path: String,
    /// Where it is served, as far as host and path say it.
    pub region: Option<String>,
}

impl Target {
    /// Whom a call goes to. The host has no port.
    pub(crate) fn new(call: Call, host: &str, path: &str) -> Self {
        let region = region_of(host, path).map(str::to_owned);
        Self { call, host: host.to_owned(), path: path.to_owned(), region }
    }
}

/// Targets by what in a head decides them, under one configuration.
#[derive(Debug, Default)]
pub struct Targets {
    known: RefCell<HashMap<Box<[u8]>, Rc<Target>>>,
    key: RefCell<Vec<u8>>,
}

/// All are forgotten past this number: paths come from clients, and some have a model in them.
const MAX_TARGETS: usize = 256;
/// A longer path is looked at anew each time.
const MAX_PATH_BYTES: usize = 256;

impl Targets {
    /// The target of a request with such a head, if one came by before.
    pub(crate) fn find(&self, rules: &Rules, head: &Head) -> Option<Rc<Target>> {
        let mut key = self.key.try_borrow_mut().ok()?;
        put_key(&mut key, rules, head)?;
        self.known.try_borrow().ok()?.get(&**key).map(Rc::clone)
    }

    /// Remembers a target, where its head is of the plain kind.
    pub(crate) fn keep(&self, rules: &Rules, head: &Head, target: &Rc<Target>) {
        let (Ok(mut key), Ok(mut known)) = (self.key.try_borrow_mut(), self.known.try_borrow_mut()) else {
            return;
        };
        if put_key(&mut key, rules, head).is_none() {
            return;
        }
        if known.len() >= MAX_TARGETS {
            known.clear();
        }
        known.insert(key.as_slice().into(), Rc::clone(target));
    }
}

/// What decides the target of a plain JSON call. `None` for any other: a form's boundary differs each time, and rules that ask
/// for the route decide by more than the head.
fn put_key(key: &mut Vec<u8>, rules: &Rules, head: &Head) -> Option<()> {
    let headers = &head.headers;
    let path = headers.value(":path").filter(|path| path.len() <= MAX_PATH_BYTES)?;
    let odd = ["content-encoding", "upgrade", ":protocol"].iter().any(|name| headers.value(name).is_some());
    if rules.needs_route || odd || headers.value("content-type") != Some(b"application/json") {
        return None;
    }
    key.clear();
    for value in [headers.value(":method")?, headers.value(":authority")?, path] {
        key.extend_from_slice(value);
        // No header's value holds a zero byte.
        key.push(0);
    }
    Some(())
}
