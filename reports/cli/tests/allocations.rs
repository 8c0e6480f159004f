//! Logs have millions of lines, so what each of them costs is counted: the clock of a busy machine would not tell.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::Command;

use tollgate_reports::spend::Spend;
use tollgate_reports::{Chunk, Fold, Journal, LineReader, Parsed, Selection, Zone};

/// Two lists, of tags and of lines of the cost. What more there is, is tables that grow.
const EACH_LINE: u64 = 2;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn counted<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.get();
    let done = work();
    (COUNT.get() - before, done)
}

#[test]
fn reading_a_line_allocates_its_lists_and_adding_it_up_nothing() {
    const LINES: u64 = 4000;
    let generated = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["generate", "--lines", &LINES.to_string(), "--days", "1"])
        .output()
        .expect("tollgate runs");
    let bytes = generated.stdout;
    let reader = LineReader::new(None);
    let chunk = |bytes: &[u8]| Chunk { bytes: bytes.to_vec(), ends_file: true, ..Chunk::default() };
    // The first line makes what all of them share.
    let first = chunk(bytes.split_inclusive(|byte| *byte == b'\n').next().expect("there is a line"));
    drop(Parsed::of(&reader, &first));

    let all = chunk(&bytes);
    let (read, mut parsed) = counted(|| Parsed::of(&reader, &all));
    assert_eq!(parsed.calls.len() as u64, LINES);
    // The list of the calls grows by doubling.
    assert!(read <= LINES * EACH_LINE + 20, "{read} allocations for {LINES} lines");

    let mut spend = Spend::views(Zone::default(), Selection::default());
    Journal::new(vec!["a.log".into()]).enter(&mut parsed);
    parsed.calls.iter().for_each(|(_, call)| spend.add(&call.row));
    let (added, ()) = counted(|| parsed.calls.iter().for_each(|(_, call)| spend.add(&call.row)));
    // An hour that begins is spelled anew.
    assert!(added <= 200, "{added} allocations to add up {LINES} lines whose groups are known");
    println!("{read} allocations to read {LINES} lines, {added} to add them up once their groups are known");
}
