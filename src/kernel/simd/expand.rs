//! How the codes of one token become the levels that are multiplied.

use super::unit::Machine;
use crate::kernel::residual::ResidualQuery;

/// One way to pack codes.
pub(super) trait Expand {
    /// Writes the levels of `bytes` bytes of codes in the groups of `M::Codes`.
    ///
    /// # Safety
    /// As the methods of [`Machine`], for a query of codes that are packed in this way.
    unsafe fn expand<M: Machine>(from: *const u8, bytes: usize, query: &ResidualQuery, to: *mut u8);
}

/// One bit each.
pub(super) struct Signs;
/// Five ternary digits a byte.
pub(super) struct Digits;
/// `BITS` bits each, 2 or 4.
pub(super) struct Fields<const BITS: usize>;

impl Expand for Signs {
    #[inline(always)]
    unsafe fn expand<M: Machine>(from: *const u8, bytes: usize, query: &ResidualQuery, to: *mut u8) {
        // SAFETY: the caller's promises.
        unsafe { M::expand_signs(from, bytes, query.levels(), to) }
    }
}

impl<const BITS: usize> Expand for Fields<BITS> {
    #[inline(always)]
    unsafe fn expand<M: Machine>(from: *const u8, bytes: usize, query: &ResidualQuery, to: *mut u8) {
        // With a number of bytes that the compiler knows no loop is left: 128 dimensions are the most frequent.
        // SAFETY: the caller's promises.
        unsafe {
            if bytes == 16 * BITS {
                M::expand::<BITS>(from, 16 * BITS, query.levels(), to);
            } else {
                M::expand::<BITS>(from, bytes, query.levels(), to);
            }
        }
    }
}

impl Expand for Digits {
    /// A table lookup, a load and a store for five values: less work than taking digits apart in vectors, of which a row of
    /// 26 bytes fills less than half.
    #[inline(always)]
    unsafe fn expand<M: Machine>(from: *const u8, bytes: usize, query: &ResidualQuery, to: *mut u8) {
        let table = query.digits().as_ptr();
        for at in 0..bytes {
            // SAFETY: `at < bytes`; the table of a query of ternary codes has an entry for every byte; a store runs at most
            // 6 bytes past its five values, which the next overwrites.
            unsafe {
                let entry = table.add(usize::from(from.add(at).read())).cast::<u8>();
                if M::WIDE_CODES {
                    to.add(10 * at).copy_from_nonoverlapping(entry, 16);
                } else {
                    to.add(5 * at).copy_from_nonoverlapping(entry, 8);
                }
            }
        }
    }
}
