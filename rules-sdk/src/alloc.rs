//! The allocator of a rule in the sandbox: a bump of a pointer.
//!
//! An instance lives for one call and its memory is dropped whole, so giving back single blocks would be work for nothing.
//! Only the newest block is taken back or grown in place: that is how a `Vec` or `String` grows.
//! It must never be used in a module that lives longer than a call.

// The one place in the SDK where `unsafe` is needed: `GlobalAlloc` is an unsafe trait by definition.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;

const PAGE: usize = 65_536;

/// Give this to `#[global_allocator]`.
#[derive(Debug)]
pub struct Bump {
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: a rule's module has one thread; the host refuses modules with shared memories.
unsafe impl Sync for Bump {}

impl Bump {
    /// An allocator that has nothing yet.
    pub const fn new() -> Self {
        Self { next: Cell::new(0), end: Cell::new(0) }
    }

    fn reserve(&self, start: usize, size: usize) -> bool {
        let Some(end) = start.checked_add(size) else { return false };
        if end > self.end.get() {
            let missing = (end - self.end.get()).div_ceil(PAGE);
            if memory_grow::<0>(missing) == usize::MAX {
                return false;
            }
            self.end.set(memory_size::<0>() * PAGE);
        }
        self.next.set(end);
        true
    }
}

// SAFETY: blocks lie between the end of the module's own data and the end of its memory, are aligned as asked and never
// overlap: `next` only moves back to the start of the newest block, when that block is given back or resized.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.end.get() == 0 {
            unsafe extern "C" {
                static __heap_base: u8;
            }
            self.next.set(&raw const __heap_base as usize);
            self.end.set(memory_size::<0>() * PAGE);
        }
        let start = self.next.get().next_multiple_of(layout.align());
        if self.reserve(start, layout.size()) { start as *mut u8 } else { core::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block as usize + layout.size() == self.next.get() {
            self.next.set(block as usize);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if block as usize + layout.size() == self.next.get() {
            return if self.reserve(block as usize, size) { block } else { core::ptr::null_mut() };
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller's promises about `layout` and `size` are those that `alloc` asks for.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least `layout.size()` long and the new one does not overlap the old.
            unsafe { core::ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}
