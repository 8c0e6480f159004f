//! Memory for a VM of one thread: small blocks are kept in lists by size and handed out again.
//!
//! A call allocates a few hundred small blocks and frees them all. The general allocator splits and merges them each time, which was
//! an eighth of the CPU of a JSON call; a list per size class is a pop and a push. A block never changes its class, so memory for
//! small blocks is bounded by the most that was ever live in each class. Larger blocks go to the general allocator.
#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// Sizes are rounded up to a power of two, from 16 bytes to 2 KiB.
const SMALLEST_SHIFT: u32 = 4;
const LARGEST_SHIFT: u32 = 11;
const CLASSES: usize = (LARGEST_SHIFT - SMALLEST_SHIFT + 1) as usize;

struct Heap {
    /// For each class the first free block; each free block begins with the address of the next.
    free: UnsafeCell<[*mut u8; CLASSES]>,
}

// SAFETY: a VM has one thread. On other targets, where clippy looks at this file, nothing runs it.
unsafe impl Sync for Heap {}

#[cfg_attr(target_arch = "wasm32", global_allocator)]
static HEAP: Heap = Heap { free: UnsafeCell::new([ptr::null_mut(); CLASSES]) };

/// The class of a layout; `None` for the general allocator.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a size of at least 16 has at least 4 trailing zeros when rounded up"
)]
const fn class(layout: Layout) -> Option<usize> {
    let size = if layout.size() < 1 << SMALLEST_SHIFT { 1 << SMALLEST_SHIFT } else { layout.size() };
    if size > 1 << LARGEST_SHIFT || layout.align() > 1 << SMALLEST_SHIFT {
        return None;
    }
    Some((size.next_power_of_two().trailing_zeros() - SMALLEST_SHIFT) as usize)
}

/// The layout of every block of a class.
#[expect(clippy::arithmetic_side_effects, reason = "classes are 0 to 7")]
const fn block(class: usize) -> Layout {
    // SAFETY: a power of two of at most 2 KiB, aligned to 16.
    unsafe { Layout::from_size_align_unchecked(1 << (class as u32 + SMALLEST_SHIFT), 1 << SMALLEST_SHIFT) }
}

// SAFETY: a block is in a list or handed out, never both; it is large enough and aligned for its class.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: one thread, and no reference into the lists outlives a call. A block in a list begins with a pointer.
        unsafe {
            let head = self.free.get().cast::<*mut u8>().add(class);
            let first = *head;
            if first.is_null() {
                return System.alloc(block(class));
            }
            *head = first.cast::<*mut u8>().read();
            first
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let Some(class) = class(layout) else {
            // SAFETY: the caller's promise; it came from the general allocator with this layout.
            return unsafe { System.dealloc(memory, layout) };
        };
        // SAFETY: one thread; the block is of this class, at least 16 bytes and aligned for a pointer.
        unsafe {
            let head = self.free.get().cast::<*mut u8>().add(class);
            memory.cast::<*mut u8>().write(*head);
            *head = memory;
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size does not overflow when rounded up to the alignment.
        let grown = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(grown)) {
            (Some(before), Some(after)) if before == after => memory,
            // SAFETY: the caller's promise; both belong to the general allocator.
            (None, None) => unsafe { System.realloc(memory, layout, size) },
            // SAFETY: both blocks are live and apart, and each holds at least the smaller of the two sizes.
            _ => unsafe {
                let moved = self.alloc(grown);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(memory, moved, layout.size().min(size));
                    self.dealloc(memory, layout);
                }
                moved
            },
        }
    }
}
