//! A proxy-wasm filter that does next to nothing: it takes part in every callback of a request that a metering filter needs,
//! sets one property and records one histogram. What it costs is the price of being wasm inside Envoy, so what Tollgate
//! costs beyond it is Tollgate's own.

#[path = "../../callbacks.rs"]
mod callbacks;

mod host {
    #[cfg_attr(target_arch = "wasm32", link(wasm_import_module = "env"))]
    unsafe extern "C" {
        pub safe fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
        pub fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    }
}

const CONTINUE: u32 = 0;
const HISTOGRAM: u32 = 2;

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _count: usize, _end: u32) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(_context: u32, _size: usize, _end: u32) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_context: u32, _count: usize, _end: u32) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(_context: u32, _size: usize, _end: u32) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(_context: u32) {
    let (path, value) = ("noop", "1");
    // SAFETY: pointers and sizes are of live strings. A host that refuses shows in its own stats.
    unsafe { host::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
    if let Some(id) = histogram() {
        host::proxy_record_metric(id, 1);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_context: u32) {}

/// The histogram's number, which this VM asks for once.
fn histogram() -> Option<u32> {
    static ID: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *ID.get_or_init(|| {
        let (name, mut id) = ("noop_requests", 0);
        // SAFETY: pointer and size are of one live string; the host writes one number.
        let status = unsafe { host::proxy_define_metric(HISTOGRAM, name.as_ptr(), name.len(), &raw mut id) };
        (status == 0).then_some(id)
    })
}
