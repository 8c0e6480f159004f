//! The plugin's allocator, whose file is compiled into this test: a VM has no tests of its own.

#[path = "../../plugin/src/heap.rs"]
mod heap;

use std::alloc::{GlobalAlloc, Layout};

use heap::Heap;
use proptest::collection::vec;
use proptest::prelude::*;

/// What is done next. Blocks are meant by their number among those that live.
#[derive(Clone, Debug)]
enum Deed {
    Take(Layout),
    GiveBack(usize),
    Resize(usize, usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let layout = (0_usize..12_000, 0_u32..7)
        .prop_map(|(size, shift)| Layout::from_size_align(size.max(1), 1 << shift).expect("it is small"));
    let small = (1_usize..200).prop_map(|size| Layout::from_size_align(size, 8).expect("it is small"));
    prop_oneof![
        layout.prop_map(Deed::Take),
        small.prop_map(Deed::Take),
        any::<usize>().prop_map(Deed::GiveBack),
        (any::<usize>(), 1_usize..12_000).prop_map(|(which, size)| Deed::Resize(which, size)),
    ]
}

/// A block that lives, filled with a byte of its own.
struct Block {
    at: *mut u8,
    layout: Layout,
    filled: u8,
}

impl Block {
    fn fill(at: *mut u8, layout: Layout, filled: u8) -> Self {
        assert!(!at.is_null() && at.addr().is_multiple_of(layout.align()), "{layout:?} at {at:?}");
        // SAFETY: the heap handed out so many bytes there.
        unsafe { at.write_bytes(filled, layout.size()) };
        Self { at, layout, filled }
    }

    /// Whether nobody else wrote to its first bytes.
    fn is_whole(&self, size: usize) -> bool {
        // SAFETY: the block lives, and all of it was written.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, size.min(self.layout.size())) };
        bytes.iter().all(|byte| *byte == self.filled)
    }
}

fn play(deeds: &[Deed]) {
    let heap = Heap::new();
    let mut blocks: Vec<Block> = Vec::new();
    for (filled, deed) in (0_u8..=255).cycle().zip(deeds) {
        match deed {
            // SAFETY: the size is not zero.
            Deed::Take(layout) => {
                blocks.push(Block::fill(unsafe { heap.alloc(*layout) }, *layout, filled));
            }
            Deed::GiveBack(which) if !blocks.is_empty() => {
                let block = blocks.swap_remove(which % blocks.len());
                assert!(block.is_whole(usize::MAX), "{:?} was written to", block.layout);
                // SAFETY: it lives, and this is its layout.
                unsafe { heap.dealloc(block.at, block.layout) };
            }
            Deed::Resize(which, size) if !blocks.is_empty() => {
                let block = blocks.swap_remove(which % blocks.len());
                // SAFETY: it lives, this is its layout, and the size is not zero.
                let at = unsafe { heap.realloc(block.at, block.layout, *size) };
                let layout = Layout::from_size_align(*size, block.layout.align()).expect("it is small");
                let moved = Block { at, layout, filled: block.filled };
                assert!(moved.is_whole(block.layout.size()), "{:?} lost what it held", block.layout);
                blocks.push(Block::fill(at, layout, filled));
            }
            Deed::GiveBack(_) | Deed::Resize(..) => {}
        }
    }
    for block in blocks {
        assert!(block.is_whole(usize::MAX), "{:?} was written to", block.layout);
        // SAFETY: it lives, and this is its layout.
        unsafe { heap.dealloc(block.at, block.layout) };
    }
}

proptest! {
    #[test]
    fn blocks_never_overlap_and_keep_what_they_hold(deeds in vec(deed(), 0..300)) {
        play(&deeds);
    }
}

#[test]
fn a_small_block_is_handed_out_again_at_once() {
    let heap = Heap::new();
    let check = |freed: usize, taken: usize, again: bool| {
        let layout = |size| Layout::from_size_align(size, 8).expect("it is small");
        // SAFETY: no size is zero, and each block goes back with its layout.
        unsafe {
            let first = heap.alloc(layout(freed));
            heap.dealloc(first, layout(freed));
            let second = heap.alloc(layout(taken));
            assert_eq!(first == second, again, "{freed} bytes, then {taken}");
            heap.dealloc(second, layout(taken));
        }
    };
    check(1, 16, true);
    check(17, 32, true);
    check(16, 17, false);
    check(1024, 1009, true);
    check(1025, 1536, true);
    check(1536, 1537, false);
    check(8192, 7681, true);
}
