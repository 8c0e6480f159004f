//! The proxy-wasm ABI 0.2.1, in bytes: the one file with host calls.
//!
//! Not the SDK's wrappers: those panic on every status that they do not list and on text that is not UTF-8, and
//! clients can provoke both; and they know only two of the ways in which a callback can hold a stream.
#![expect(unsafe_code, reason = "the ABI is raw pointers; only the allocator is not safe either")]

use crate::vm;

/// A host call that did not do what it was asked: the host's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostError(pub u32);

/// The result of a host call.
pub type HostResult<T> = Result<T, HostError>;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;

/// Which header map.
#[derive(Clone, Copy)]
pub enum Map {
    /// The request's headers.
    Request = 0,
    /// The response's headers.
    Response = 2,
    /// The headers of the answer to an HTTP call.
    CallResponse = 6,
}

/// Which buffer.
#[derive(Clone, Copy)]
pub enum Buffer {
    /// The request's body.
    Request = 0,
    /// The response's body.
    Response = 1,
    /// The body of the answer to an HTTP call.
    CallResponse = 4,
    /// The plugin's configuration.
    Configuration = 7,
}

/// How grave a log line is.
#[derive(Clone, Copy)]
pub enum Level {
    /// Something is as it should be, and new.
    Info = 2,
    /// Something degrades.
    Warn = 3,
    /// Something fails.
    Error = 4,
}

/// What a request-headers callback lets the host do.
#[derive(Clone, Copy)]
pub enum Headers {
    /// Go on.
    Continue = 0,
    /// Hold the headers; body callbacks come.
    Hold = 1,
    /// Hold everything; the host stops reading when its buffers are full, and no callback comes until resumed.
    HoldAll = 4,
}

/// What a body callback lets the host do.
#[derive(Clone, Copy)]
pub enum Body {
    /// Go on.
    Continue = 0,
    /// Keep the body; the next callback sees all of it.
    Hold = 1,
}

mod sys {
    #[cfg_attr(target_arch = "wasm32", link(wasm_import_module = "env"))]
    unsafe extern "C" {
        pub fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
        pub fn proxy_get_current_time_nanoseconds(out: *mut u64) -> u32;
        pub fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub fn proxy_get_buffer_bytes(
            kind: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_set_buffer_bytes(
            kind: u32,
            start: usize,
            size: usize,
            data: *const u8,
            length: usize,
        ) -> u32;
        pub fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_replace_header_map_value(
            map: u32,
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
        pub fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            size: usize,
            cas: u32,
        ) -> u32;
        pub fn proxy_continue_stream(stream: u32) -> u32;
        pub fn proxy_close_stream(stream: u32) -> u32;
        pub fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub fn proxy_http_call(
            upstream: *const u8,
            upstream_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout_ms: u32,
            token: *mut u32,
        ) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
        pub fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    }

    #[cfg_attr(target_arch = "wasm32", link(wasm_import_module = "wasi_snapshot_preview1"))]
    unsafe extern "C" {
        pub fn random_get(out: *mut u8, size: usize) -> u32;
    }
}

const fn check(status: u32) -> HostResult<()> {
    if status == OK { Ok(()) } else { Err(HostError(status)) }
}

/// Takes over what the host put into memory that it had from [`proxy_on_memory_allocate`].
fn taken(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host got `data` from `proxy_on_memory_allocate(size)`, which makes exactly such a vector, and hands it over.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

/// Runs a call that returns bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> HostResult<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    let status = call(&raw mut data, &raw mut size);
    let bytes = taken(data, size);
    check(status).map(|()| bytes)
}

/// Writes a line to the proxy's log.
pub fn log(level: Level, text: &str) {
    // SAFETY: pointer and size are of one live string. A line that cannot be logged has nowhere to be reported.
    let _ = unsafe { sys::proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Nanoseconds since the Unix epoch; 0 if the host has no clock.
pub fn now_nanos() -> u64 {
    let mut now = 0;
    // SAFETY: the host writes one u64.
    let _ = unsafe { sys::proxy_get_current_time_nanoseconds(&raw mut now) };
    now
}

/// Random bytes, from the one function of WASI that is asked for: the ABI has none.
pub fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: the host writes as many bytes as it is told.
    let errno = unsafe { sys::random_get(bytes.as_mut_ptr(), bytes.len()) };
    (errno == 0 && bytes != [0; 16]).then_some(bytes)
}

/// Asks for ticks in the current root context.
pub fn tick_every(millis: u32) -> HostResult<()> {
    // SAFETY: plain numbers.
    check(unsafe { sys::proxy_set_tick_period_milliseconds(millis) })
}

/// Copies at most `max` bytes of a buffer.
pub fn buffer(kind: Buffer, start: usize, max: usize) -> HostResult<Vec<u8>> {
    // SAFETY: the host writes a pointer and a size.
    bytes(|data, size| unsafe { sys::proxy_get_buffer_bytes(kind as u32, start, max, data, size) })
}

/// Replaces the whole of a buffer that holds `size` bytes. Parts of a buffer cannot be replaced.
pub fn set_buffer(kind: Buffer, size: usize, with: &[u8]) -> HostResult<()> {
    // SAFETY: pointer and length are of one live slice.
    check(unsafe { sys::proxy_set_buffer_bytes(kind as u32, 0, size, with.as_ptr(), with.len()) })
}

/// Adds to the end of a buffer that holds `size` bytes.
pub fn append_buffer(kind: Buffer, size: usize, more: &[u8]) -> HostResult<()> {
    // SAFETY: pointer and length are of one live slice.
    check(unsafe { sys::proxy_set_buffer_bytes(kind as u32, size, 0, more.as_ptr(), more.len()) })
}

/// All headers of a map, serialised.
pub fn headers(map: Map) -> HostResult<Vec<u8>> {
    // SAFETY: the host writes a pointer and a size.
    bytes(|data, size| unsafe { sys::proxy_get_header_map_pairs(map as u32, data, size) })
}

/// Gives a header this one value.
pub fn set_header(map: Map, name: &str, value: &str) -> HostResult<()> {
    // SAFETY: pointers and sizes are of live strings.
    check(unsafe {
        sys::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes a header.
pub fn remove_header(map: Map, name: &str) -> HostResult<()> {
    // SAFETY: pointer and size are of one live string.
    check(unsafe { sys::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// A property by its path, if the host knows it.
pub fn property<S: AsRef<str>>(path: &[S]) -> Option<Vec<u8>> {
    let path = path.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\0");
    // SAFETY: pointer and size are of one live string; the host writes a pointer and a size.
    bytes(|data, size| unsafe { sys::proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
}

/// Sets filter state `wasm.<name>`.
pub fn set_property(name: &str, value: &[u8]) -> HostResult<()> {
    // SAFETY: pointers and sizes are of live slices.
    check(unsafe { sys::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A shared value and its compare-and-swap number, if the key exists.
pub fn shared(key: &str) -> HostResult<Option<(Vec<u8>, u32)>> {
    let mut cas = 0;
    // SAFETY: pointer and size are of one live string; the host writes a pointer, a size and a number.
    let found = bytes(|data, size| unsafe {
        sys::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    });
    match found {
        Ok(value) => Ok(Some((value, cas))),
        Err(HostError(NOT_FOUND)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a shared value if nobody wrote since `cas` was read; `false` if somebody did.
///
/// `None` creates the key. It is sent as `u32::MAX`, a number that no value has: the host ignores the number of a key that does
/// not exist, so the first of several creators wins and the others see a mismatch. Zero would overwrite.
pub fn set_shared(key: &str, value: &[u8], cas: Option<u32>) -> HostResult<bool> {
    let cas = cas.unwrap_or(u32::MAX);
    // SAFETY: pointers and sizes are of live slices.
    match unsafe { sys::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) } {
        OK => Ok(true),
        CAS_MISMATCH => Ok(false),
        status => Err(HostError(status)),
    }
}

/// Lets the request of the current context go on.
pub fn continue_request() -> HostResult<()> {
    // SAFETY: plain numbers; 0 is the request.
    check(unsafe { sys::proxy_continue_stream(0) })
}

/// Resets the request of the current context.
pub fn reset_request() -> HostResult<()> {
    // SAFETY: plain numbers; 0 is the request.
    check(unsafe { sys::proxy_close_stream(0) })
}

/// Resets the response of the current context, and with it the upstream's.
pub fn reset_response() -> HostResult<()> {
    // SAFETY: plain numbers; 1 is the response.
    check(unsafe { sys::proxy_close_stream(1) })
}

/// Answers the client instead of the upstream.
pub fn reply(status: u32, details: &str, headers: &[(&str, &str)], body: &[u8]) -> HostResult<()> {
    let headers = serialised(headers);
    // SAFETY: pointers and sizes are of live slices; -1 is "no gRPC status".
    check(unsafe {
        sys::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Calls a cluster of the proxy; the answer comes to the current context under the number that is returned.
pub fn http_call(cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout_ms: u32) -> HostResult<u32> {
    let (headers, trailers) = (serialised(headers), serialised(&[]));
    let mut token = 0;
    // SAFETY: pointers and sizes are of live slices; the host writes one number.
    let status = unsafe {
        sys::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    check(status).map(|()| token)
}

/// Makes host calls apply to another context of this VM.
pub fn set_context(context: u32) -> HostResult<()> {
    // SAFETY: plain numbers.
    check(unsafe { sys::proxy_set_effective_context(context) })
}

/// Calls a function that is the host's own.
pub fn foreign(name: &str, argument: &[u8]) -> HostResult<Vec<u8>> {
    // SAFETY: pointers and sizes are of live slices; the host writes a pointer and a size.
    bytes(|data, size| unsafe {
        sys::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            size,
        )
    })
}

/// Defines a metric: 0 is a counter, 1 a gauge, 2 a histogram. The same name gives the same metric.
pub fn define_metric(kind: u32, name: &str) -> HostResult<u32> {
    let mut id = 0;
    // SAFETY: pointer and size are of one live string; the host writes one number.
    check(unsafe { sys::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) }).map(|()| id)
}

/// Adds to a counter.
pub fn increment_metric(id: u32, by: i64) -> HostResult<()> {
    // SAFETY: plain numbers.
    check(unsafe { sys::proxy_increment_metric(id, by) })
}

/// Sets a gauge, or records a sample of a histogram.
pub fn record_metric(id: u32, value: u64) -> HostResult<()> {
    // SAFETY: plain numbers.
    check(unsafe { sys::proxy_record_metric(id, value) })
}

/// A header map as the ABI spells it: count, lengths, then names and values with a zero byte after each.
fn serialised(pairs: &[(&str, &str)]) -> Vec<u8> {
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(0).to_le_bytes();
    let mut out = u32::try_from(pairs.len()).unwrap_or(0).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend(length(name));
        out.extend(length(value));
    }
    for (name, value) in pairs {
        out.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    out
}

/// What the host calls. Only the callbacks that do something are exported: the host skips the others.
mod exports {
    use super::{Body, Headers, vm};

    #[unsafe(no_mangle)]
    extern "C" fn proxy_abi_version_0_2_1() {}

    #[unsafe(no_mangle)]
    extern "C" fn _initialize() {}

    /// Memory for what the host hands over. [`super::taken`] takes it back.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
        let mut bytes = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size));
        bytes.as_mut_ptr()
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
        1
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
        vm::with(|vm| vm.configure(root, size)).unwrap_or(false).into()
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_context_create(context: u32, root: u32) {
        vm::with(|vm| vm.create(context, root));
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_tick(root: u32) {
        vm::with(|vm| vm.tick(root));
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_request_headers(context: u32, _count: usize, end: u32) -> u32 {
        vm::with(|vm| vm.request_headers(context, end != 0)).unwrap_or(Headers::Continue) as u32
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> u32 {
        vm::with(|vm| vm.request_body(context, size, end != 0)).unwrap_or(Body::Continue) as u32
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_request_trailers(context: u32, _count: usize) -> u32 {
        vm::with(|vm| vm.request_trailers(context)).unwrap_or(Body::Continue) as u32
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_headers(context: u32, _count: usize, end: u32) -> u32 {
        vm::with(|vm| vm.response_headers(context, end != 0));
        Headers::Continue as u32
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
        vm::with(|vm| vm.response_body(context, size, end != 0));
        Body::Continue as u32
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_trailers(context: u32, _count: usize) -> u32 {
        vm::with(|vm| vm.response_trailers(context));
        Body::Continue as u32
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_http_call_response(
        context: u32,
        token: u32,
        _headers: usize,
        body: usize,
        _trailers: usize,
    ) {
        vm::with(|vm| vm.call_answered(context, token, body));
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_log(context: u32) {
        vm::with(|vm| vm.log(context));
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_delete(context: u32) {
        vm::with(|vm| vm.delete(context));
    }
}
