//! The host functions of proxy-wasm 0.2.1, with the statuses and quirks of Envoy.

use wasmtime::{Caller, Error, Extern, Linker, Memory, Result, TypedFunc};

use super::faults::Fault;
use super::world::{LocalReply, World, status};
use crate::http::Headers;

/// Adds every host function. One that the plugin imports and that is not here traps when it is called.
pub fn link(linker: &mut Linker<World>) -> Result<()> {
    link_surroundings(linker)?;
    link_streams(linker)?;
    link_headers(linker)?;
    link_stores(linker)?;
    link_calls(linker)?;
    link_metrics(linker)
}

fn link_surroundings(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap("env", "proxy_log", |caller: Caller<'_, World>, level: u32, text: u32, size: u32| {
        Host::enter(caller, "proxy_log", |host| {
            let text = String::from_utf8_lossy(&host.read(text, size)?).into_owned();
            host.world().log.push(format!("{level}: {text}"));
            Ok(status::OK)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |caller: Caller<'_, World>, out: u32| {
            Host::enter(caller, "proxy_get_current_time_nanoseconds", |host| {
                let now = host.world().now_ns;
                host.write(out, &now.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |caller: Caller<'_, World>, period: u32| {
            Host::enter(caller, "proxy_set_tick_period_milliseconds", |host| {
                let world = host.world();
                world.tick_ms.insert(world.effective, period);
                Ok(status::OK)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_set_effective_context", |caller: Caller<'_, World>, context: u32| {
        Host::enter(caller, "proxy_set_effective_context", |host| {
            host.world().effective = context;
            Ok(status::OK)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |caller: Caller<'_, World>, name: u32, name_size: u32, _: u32, _: u32, data: u32, size: u32| {
            Host::enter(caller, "proxy_call_foreign_function", |host| {
                let known = host.read(name, name_size)? == b"declare_property";
                if known { host.hand_over(b"", data, size) } else { Ok(status::NOT_FOUND) }
            })
        },
    )?;
    Ok(())
}

fn link_streams(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |caller: Caller<'_, World>, kind: u32, start: u32, max: u32, data: u32, size: u32| {
            Host::enter(caller, "proxy_get_buffer_bytes", |host| {
                let (start, max) = (start as usize, max as usize);
                let Some(buffer) = host.world().buffer(kind) else { return Ok(status::NOT_FOUND) };
                let end = start.saturating_add(max).min(buffer.len());
                let bytes = buffer.get(start..end).unwrap_or_default().to_vec();
                host.hand_over(&bytes, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_buffer_bytes",
        |caller: Caller<'_, World>, kind: u32, start: u32, length: u32, data: u32, size: u32| {
            Host::enter(caller, "proxy_set_buffer_bytes", |host| {
                let with = host.read(data, size)?;
                Ok(host.world().set_buffer(kind, start as usize, length as usize, &with))
            })
        },
    )?;
    linker.func_wrap("env", "proxy_continue_stream", |caller: Caller<'_, World>, _: u32| {
        Host::enter(caller, "proxy_continue_stream", |host| {
            Ok(host.world().stream().map_or(status::NOT_FOUND, |stream| {
                stream.resumed = true;
                status::OK
            }))
        })
    })?;
    linker.func_wrap("env", "proxy_close_stream", |caller: Caller<'_, World>, _: u32| {
        Host::enter(caller, "proxy_close_stream", |host| {
            Ok(host.world().stream().map_or(status::NOT_FOUND, |stream| {
                stream.closed = true;
                status::OK
            }))
        })
    })?;
    linker.func_wrap("env", "proxy_send_local_response", local_response)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI's")]
fn local_response(
    caller: Caller<'_, World>,
    code: u32,
    _details: u32,
    _details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    _grpc_status: i32,
) -> Result<u32> {
    Host::enter(caller, "proxy_send_local_response", |host| {
        let reply = LocalReply {
            status: u16::try_from(code).unwrap_or(500),
            headers: parse_map(&host.read(headers, headers_size)?),
            body: host.read(body, body_size)?,
        };
        Ok(host.world().stream().map_or(status::NOT_FOUND, |stream| {
            stream.local_reply = Some(reply);
            status::OK
        }))
    })
}

fn link_headers(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |caller: Caller<'_, World>, kind: u32, data: u32, size: u32| {
            Host::enter(caller, "proxy_get_header_map_pairs", |host| {
                let Some(map) = host.world().map(kind) else { return Ok(status::BAD_ARGUMENT) };
                let bytes = serialise_map(map);
                host.hand_over(&bytes, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |caller: Caller<'_, World>, kind: u32, key: u32, key_size: u32, data: u32, size: u32| {
            Host::enter(caller, "proxy_get_header_map_value", |host| {
                let key = host.text(key, key_size)?;
                let Some(map) = host.world().map(kind) else { return Ok(status::BAD_ARGUMENT) };
                let Some(value) = map.bytes(&key).map(<[u8]>::to_vec) else { return Ok(status::NOT_FOUND) };
                host.hand_over(&value, data, size)
            })
        },
    )?;
    for (function, keep) in [("proxy_replace_header_map_value", false), ("proxy_add_header_map_value", true)]
    {
        linker.func_wrap(
            "env",
            function,
            move |caller: Caller<'_, World>, kind: u32, key: u32, key_size: u32, value: u32, size: u32| {
                Host::enter(caller, function, |host| {
                    let (key, value) = (host.text(key, key_size)?, host.read(value, size)?);
                    let Some(map) = host.world().map_mut(kind) else { return Ok(status::BAD_ARGUMENT) };
                    if !keep {
                        map.0.retain(|(name, _)| *name != key);
                    }
                    map.push(&key, value);
                    Ok(status::OK)
                })
            },
        )?;
    }
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |caller: Caller<'_, World>, kind: u32, key: u32, key_size: u32| {
            Host::enter(caller, "proxy_remove_header_map_value", |host| {
                let key = host.text(key, key_size)?;
                let Some(map) = host.world().map_mut(kind) else { return Ok(status::BAD_ARGUMENT) };
                map.0.retain(|(name, _)| *name != key);
                Ok(status::OK)
            })
        },
    )?;
    Ok(())
}

fn link_stores(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |caller: Caller<'_, World>, path: u32, path_size: u32, data: u32, size: u32| {
            Host::enter(caller, "proxy_get_property", |host| {
                let path = host.text(path, path_size)?.trim_end_matches('\0').replace('\0', ".");
                let world = host.world();
                let own = world.streams.get(&world.effective).and_then(|stream| stream.properties.get(&path));
                let Some(value) = own.or(world.known.get(&path)).cloned() else {
                    return Ok(status::NOT_FOUND);
                };
                host.hand_over(&value, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |caller: Caller<'_, World>, path: u32, path_size: u32, value: u32, size: u32| {
            Host::enter(caller, "proxy_set_property", |host| {
                let (path, value) = (host.text(path, path_size)?, host.read(value, size)?);
                let Some(stream) = host.world().stream() else { return Ok(status::NOT_FOUND) };
                stream.properties.insert(path, value);
                Ok(status::OK)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |caller: Caller<'_, World>, key: u32, key_size: u32, data: u32, size: u32, cas: u32| {
            Host::enter(caller, "proxy_get_shared_data", |host| {
                let key = host.read(key, key_size)?;
                let Some((value, number)) = host.world().shared.get(&key).cloned() else {
                    return Ok(status::NOT_FOUND);
                };
                host.write(cas, &number.to_le_bytes())?;
                host.hand_over(&value, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |caller: Caller<'_, World>, key: u32, key_size: u32, value: u32, size: u32, cas: u32| {
            Host::enter(caller, "proxy_set_shared_data", |host| {
                let (key, value) = (host.read(key, key_size)?, host.read(value, size)?);
                Ok(host.world().set_shared(&key, &value, cas))
            })
        },
    )?;
    Ok(())
}

fn link_calls(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap("env", "proxy_http_call", http_call)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI's")]
fn http_call(
    caller: Caller<'_, World>,
    cluster: u32,
    cluster_size: u32,
    _headers: u32,
    _headers_size: u32,
    body: u32,
    body_size: u32,
    _trailers: u32,
    _trailers_size: u32,
    timeout_ms: u32,
    token: u32,
) -> Result<u32> {
    Host::enter(caller, "proxy_http_call", |host| {
        let (cluster, body) = (host.text(cluster, cluster_size)?, host.read(body, body_size)?);
        let Some(number) = host.world().dispatch(&cluster, body, timeout_ms) else {
            return Ok(status::BAD_ARGUMENT);
        };
        host.write(token, &number.to_le_bytes())
    })
}

fn link_metrics(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |caller: Caller<'_, World>, kind: u32, name: u32, size: u32, id: u32| {
            Host::enter(caller, "proxy_define_metric", |host| {
                let name = host.text(name, size)?;
                let number = host.world().define_metric(kind, &name);
                host.write(id, &number.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |caller: Caller<'_, World>, id: u32, by: i64| {
        Host::enter(caller, "proxy_increment_metric", |host| {
            let Some(metric) = host.world().metric(id) else { return Ok(status::BAD_ARGUMENT) };
            metric.value = metric.value.saturating_add(by);
            Ok(status::OK)
        })
    })?;
    linker.func_wrap("env", "proxy_record_metric", |caller: Caller<'_, World>, id: u32, value: u64| {
        Host::enter(caller, "proxy_record_metric", |host| {
            let Some(metric) = host.world().metric(id) else { return Ok(status::BAD_ARGUMENT) };
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            metric.value = if metric.histogram { metric.value.saturating_add(value) } else { value };
            metric.samples += 1;
            Ok(status::OK)
        })
    })?;
    Ok(())
}

/// One host call that is under way.
struct Host<'a> {
    caller: Caller<'a, World>,
    memory: Memory,
    garbage: Option<Vec<u8>>,
}

impl<'a> Host<'a> {
    /// Counts the call, applies a planned fault, and otherwise does the work.
    fn enter(
        mut caller: Caller<'a, World>,
        function: &'static str,
        work: impl FnOnce(&mut Host<'a>) -> Result<u32>,
    ) -> Result<u32> {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            return Err(absent("memory"));
        };
        let world = caller.data_mut();
        *world.costs.calls.entry(function).or_insert(0) += 1;
        let garbage = match world.faults.next(function) {
            Some(Fault::Status(status)) => return Ok(status),
            Some(Fault::Garbage(bytes)) => Some(bytes),
            Some(Fault::ClockJump(by)) => {
                world.skew_ns = world.skew_ns.saturating_add(by);
                None
            }
            None => None,
        };
        work(&mut Host { caller, memory, garbage })
    }

    fn world(&mut self) -> &mut World {
        self.caller.data_mut()
    }

    fn read(&mut self, at: u32, size: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; size as usize];
        self.memory.read(&self.caller, at as usize, &mut bytes)?;
        self.world().costs.bytes_out += u64::from(size);
        Ok(bytes)
    }

    fn text(&mut self, at: u32, size: u32) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read(at, size)?).into_owned())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<u32> {
        self.memory.write(&mut self.caller, at as usize, bytes)?;
        Ok(status::OK)
    }

    /// Copies bytes into memory that the plugin gives, and tells it where they are.
    fn hand_over(&mut self, bytes: &[u8], data: u32, size: u32) -> Result<u32> {
        let garbage = self.garbage.take();
        let bytes = garbage.as_deref().unwrap_or(bytes);
        let length = u32::try_from(bytes.len())?;
        let place = if bytes.is_empty() { 0 } else { self.allocate(length)? };
        self.write(place, bytes)?;
        self.world().costs.bytes_in += u64::from(length);
        self.write(data, &place.to_le_bytes())?;
        self.write(size, &length.to_le_bytes())
    }

    fn allocate(&mut self, size: u32) -> Result<u32> {
        let Some(Extern::Func(function)) = self.caller.get_export("proxy_on_memory_allocate") else {
            return Err(absent("proxy_on_memory_allocate"));
        };
        let allocate: TypedFunc<u32, u32> = function.typed(&self.caller)?;
        allocate.call(&mut self.caller, size)
    }
}

fn absent(export: &str) -> Error {
    Error::msg(format!("the plugin exports no `{export}`"))
}

/// Count, lengths, then names and values with a zero byte after each.
fn serialise_map(map: &Headers) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
    let mut out = u32::try_from(map.0.len()).unwrap_or(0).to_le_bytes().to_vec();
    for (name, value) in &map.0 {
        out.extend(length(name.as_bytes()));
        out.extend(length(value));
    }
    for (name, value) in &map.0 {
        out.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
    }
    out
}

fn parse_map(bytes: &[u8]) -> Headers {
    let number =
        |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes).map(|n| n as usize);
    let count = number(0).unwrap_or(0);
    let mut at = 4 + count * 8;
    let mut take = |place: usize| {
        let size = number(place).unwrap_or(0);
        let part = bytes.get(at..at + size).unwrap_or_default();
        at += size + 1;
        part
    };
    let pair = |n: usize| (String::from_utf8_lossy(take(4 + n * 8)).into_owned(), take(8 + n * 8).to_vec());
    (0..count).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_keep_every_byte() {
        for pairs in [vec![], vec![("a", b"\xff\0".as_slice()), ("b", b""), ("a", b"2")]] {
            let map = Headers::from_iter(pairs);
            assert_eq!(parse_map(&serialise_map(&map)), map);
        }
    }
}
