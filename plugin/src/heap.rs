//! Memory for a VM of one thread: small blocks are kept in lists by size and handed out again.
//!
//! A call allocates some thirty-five blocks, most of them small, and frees them all. The general allocator splits and merges them
//! each time; a list for each size class is a pop and a push, and gives back the block that was touched last. A block never changes
//! its class, so what small blocks take is bounded by the most that was ever live in each class. Larger blocks go to the general
//! allocator.
//!
//! None of it is inlined: the general allocator used to be, wherever something is allocated, which was a ninth of the plugin.
#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

#[cfg_attr(target_arch = "wasm32", global_allocator)]
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "only a VM has but one thread"))]
static HEAP: Heap = Heap::new();

/// Every block is aligned to this, and classes up to [`FINE`] are this far apart.
const STEP: usize = 16;
/// Above this, classes are [`WIDE`] apart.
const FINE: usize = 1024;
const WIDE: usize = 512;
/// Blocks above this are no small ones.
const LARGEST: usize = 8192;
const CLASSES: usize = FINE / STEP + (LARGEST - FINE) / WIDE;

/// The lists of free blocks.
pub struct Heap {
    /// For each class the first free block; each free block begins with the address of the next.
    free: UnsafeCell<[*mut u8; CLASSES]>,
}

// SAFETY: a VM has one thread.
unsafe impl Sync for Heap {}

/// A list of blocks of one size, which is at least that of a pointer.
#[derive(Clone, Copy)]
struct Class {
    index: usize,
    size: usize,
}

impl Class {
    /// The class of a layout; `None` for the general allocator.
    #[expect(clippy::arithmetic_side_effects, reason = "sizes are at most `LARGEST`")]
    const fn of(layout: Layout) -> Option<Self> {
        let size = layout.size();
        if size > LARGEST || layout.align() > STEP {
            return None;
        }
        if size <= FINE {
            let steps = if size == 0 { 1 } else { size.div_ceil(STEP) };
            return Some(Self { index: steps - 1, size: steps * STEP });
        }
        let steps = (size - FINE).div_ceil(WIDE);
        Some(Self { index: FINE / STEP + steps - 1, size: FINE + steps * WIDE })
    }

    /// The layout of each of its blocks.
    const fn block(self) -> Layout {
        // SAFETY: the alignment is a power of two, and the size at most `LARGEST`.
        unsafe { Layout::from_size_align_unchecked(self.size, STEP) }
    }
}

impl Heap {
    /// One without free blocks.
    pub const fn new() -> Self {
        Self { free: UnsafeCell::new([ptr::null_mut(); CLASSES]) }
    }

    /// Where the first free block of a class is noted.
    const fn first(&self, class: Class) -> *mut *mut u8 {
        // SAFETY: there are `CLASSES` lists, and no class has a greater index.
        unsafe { self.free.get().cast::<*mut u8>().add(class.index) }
    }
}

// SAFETY: a block is in a list or handed out, never both; it is large enough and aligned for its class.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = Class::of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: one thread, and no reference into the lists outlives a call. A block in a list begins with a pointer.
        unsafe {
            let block = self.first(class).read();
            if block.is_null() {
                return System.alloc(class.block());
            }
            self.first(class).write(block.cast::<*mut u8>().read());
            block
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = Class::of(layout) else {
            // SAFETY: the caller's promise; it came from the general allocator with this layout.
            return unsafe { System.dealloc(block, layout) };
        };
        // SAFETY: one thread; the block is of this class, so it has room for a pointer and is aligned for one.
        unsafe {
            block.cast::<*mut u8>().write(self.first(class).read());
            self.first(class).write(block);
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size does not overflow when rounded up to the alignment.
        let grown = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (Class::of(layout), Class::of(grown)) {
            (Some(before), Some(after)) if before.index == after.index => block,
            // SAFETY: the caller's promise; both belong to the general allocator.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            // SAFETY: both blocks are live and apart, and each holds at least the smaller of the two sizes.
            _ => unsafe {
                let moved = self.alloc(grown);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}
