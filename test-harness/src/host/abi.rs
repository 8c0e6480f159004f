//! The host functions of proxy-wasm 0.2.1, with the statuses and quirks of Envoy.

use wasmtime::{Caller, Linker, Result};

use super::host_call::{HostCall, parse_map, serialise_map};
use super::world::{LocalReply, World, status};

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
        HostCall::enter(caller, "proxy_log", |host| {
            let text = String::from_utf8_lossy(&host.read(text, size)?).into_owned();
            host.world().log.push(format!("{level}: {text}"));
            Ok(status::OK)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |caller: Caller<'_, World>, out: u32| {
            HostCall::enter(caller, "proxy_get_current_time_nanoseconds", |host| {
                let now = host.world().now_ns;
                host.write(out, &now.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |caller: Caller<'_, World>, period: u32| {
            HostCall::enter(caller, "proxy_set_tick_period_milliseconds", |host| {
                let world = host.world();
                world.tick_ms.insert(world.effective, period);
                Ok(status::OK)
            })
        },
    )?;
    // Tests must be the same each time: what is random elsewhere is a text here.
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "random_get",
        |caller: Caller<'_, World>, out: u32, size: u32| {
            HostCall::enter(caller, "random_get", |host| {
                let bytes: Vec<u8> =
                    b"no text is found".iter().copied().cycle().take(size as usize).collect();
                host.write(out, &bytes)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_set_effective_context", |caller: Caller<'_, World>, context: u32| {
        HostCall::enter(caller, "proxy_set_effective_context", |host| {
            host.world().effective = context;
            Ok(status::OK)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |caller: Caller<'_, World>, name: u32, name_size: u32, _: u32, _: u32, data: u32, size: u32| {
            HostCall::enter(caller, "proxy_call_foreign_function", |host| {
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
            HostCall::enter(caller, "proxy_get_buffer_bytes", |host| {
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
            HostCall::enter(caller, "proxy_set_buffer_bytes", |host| {
                let with = host.read(data, size)?;
                Ok(host.world().set_buffer(kind, start as usize, length as usize, &with))
            })
        },
    )?;
    linker.func_wrap("env", "proxy_continue_stream", |caller: Caller<'_, World>, _: u32| {
        HostCall::enter(caller, "proxy_continue_stream", |host| {
            Ok(host.world().stream().map_or(status::NOT_FOUND, |stream| {
                stream.resumed = true;
                status::OK
            }))
        })
    })?;
    linker.func_wrap("env", "proxy_close_stream", |caller: Caller<'_, World>, _: u32| {
        HostCall::enter(caller, "proxy_close_stream", |host| {
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
    HostCall::enter(caller, "proxy_send_local_response", |host| {
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
            HostCall::enter(caller, "proxy_get_header_map_pairs", |host| {
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
            HostCall::enter(caller, "proxy_get_header_map_value", |host| {
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
                HostCall::enter(caller, function, |host| {
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
            HostCall::enter(caller, "proxy_remove_header_map_value", |host| {
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
            HostCall::enter(caller, "proxy_get_property", |host| {
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
            HostCall::enter(caller, "proxy_set_property", |host| {
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
            HostCall::enter(caller, "proxy_get_shared_data", |host| {
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
            HostCall::enter(caller, "proxy_set_shared_data", |host| {
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
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    _trailers: u32,
    _trailers_size: u32,
    timeout_ms: u32,
    token: u32,
) -> Result<u32> {
    HostCall::enter(caller, "proxy_http_call", |host| {
        let (cluster, body) = (host.text(cluster, cluster_size)?, host.read(body, body_size)?);
        let headers = parse_map(&host.read(headers, headers_size)?);
        let Some(number) = host.world().dispatch(&cluster, &headers, &body, timeout_ms) else {
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
            HostCall::enter(caller, "proxy_define_metric", |host| {
                let name = host.text(name, size)?;
                let number = host.world().define_metric(kind, &name);
                host.write(id, &number.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |caller: Caller<'_, World>, id: u32, by: i64| {
        HostCall::enter(caller, "proxy_increment_metric", |host| {
            let Some(metric) = host.world().metric(id) else { return Ok(status::BAD_ARGUMENT) };
            metric.value = metric.value.saturating_add(by);
            Ok(status::OK)
        })
    })?;
    linker.func_wrap("env", "proxy_record_metric", |caller: Caller<'_, World>, id: u32, value: u64| {
        HostCall::enter(caller, "proxy_record_metric", |host| {
            let Some(metric) = host.world().metric(id) else { return Ok(status::BAD_ARGUMENT) };
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            metric.value = if metric.histogram { metric.value.saturating_add(value) } else { value };
            metric.samples += 1;
            Ok(status::OK)
        })
    })?;
    Ok(())
}
