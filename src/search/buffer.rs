//! Memory that a thread keeps from one query to the next.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// What a thread keeps at most: a buffer of more numbers is freed with its query.
const MOST_KEPT: usize = 16 << 20;

/// How many buffers a thread keeps at most.
const MOST_BUFFERS: usize = 4;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Numbers, of any content until written. Returned to its thread when dropped, because the operating system takes longer
/// to hand out fresh pages than a query takes to fill them.
#[derive(Debug)]
pub(super) struct Buffer(Vec<f32>);

impl Buffer {
    pub fn of(len: usize) -> Self {
        let mut kept = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        // Without clearing: only what is beyond the old length is written.
        kept.resize(len, 0.0);
        Self(kept)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.capacity() <= MOST_KEPT {
            // A thread that is ending keeps nothing.
            let _ = FREE.try_with(|free| {
                let mut free = free.borrow_mut();
                if free.len() < MOST_BUFFERS {
                    free.push(buffer);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_uses_its_buffers_again() {
        let place = |buffer: &Buffer| buffer.as_ptr() as usize;
        let first = Buffer::of(1000);
        let at = place(&first);
        drop(first);
        let mut again = Buffer::of(10);
        assert_eq!((place(&again), again.len()), (at, 10));
        again[9] = 1.0;
        drop(again);
        assert_eq!(Buffer::of(20)[15], 0.0);
        drop(Buffer::of(MOST_KEPT + 1));
        let all: Vec<Buffer> = (0..10).map(|_| Buffer::of(1)).collect();
        drop(all);
        assert_eq!(FREE.with_borrow(Vec::len), MOST_BUFFERS);
    }
}
