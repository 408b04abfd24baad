//! Where a tile's tokens come from: straight from memory, or written into a panel first.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::unit::{Machine, Unit};
use crate::kernel::packed::Lanes;

/// The tokens of one tile, `len` bytes each, `stride` bytes apart.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    base: *const u8,
    stride: usize,
    len: usize,
    /// Whether what lies between rows may be read with a row's last group.
    padded: bool,
    /// Bytes from `base` to what will be read soon.
    ahead: usize,
}

impl Rows {
    /// Groups of `U` that can be read as a whole.
    #[inline(always)]
    pub(super) fn groups<U: Unit>(&self) -> usize {
        if self.padded { self.len.div_ceil(U::GROUP) } else { self.len / U::GROUP }
    }

    /// Bytes after them.
    #[inline(always)]
    pub(super) fn tail<U: Unit>(&self) -> usize {
        if self.padded { 0 } else { self.len % U::GROUP }
    }

    /// # Safety
    /// `t` is a token of the tile and `g` less than `groups`.
    #[inline(always)]
    pub(super) unsafe fn group<U: Unit>(&self, t: usize, g: usize) -> u64 {
        // SAFETY: the group lies in the token's row; integers have no invalid values; the reads ask for no alignment.
        unsafe {
            let at = self.base.add(t * self.stride + U::GROUP * g);
            if U::GROUP == 8 {
                at.cast::<u64>().read_unaligned()
            } else {
                at.cast::<u32>().read_unaligned().into()
            }
        }
    }

    /// The last, partly filled group; zeros fill it up.
    ///
    /// # Safety
    /// `t` is a token of the tile.
    #[inline(always)]
    pub(super) unsafe fn last<U: Unit>(&self, t: usize) -> u64 {
        let tail = self.tail::<U>();
        // SAFETY: the row goes on for `tail` bytes after its groups.
        unsafe { first_bytes(self.base.add(t * self.stride + self.len - tail), tail) }
    }

    /// Asks for the cache lines of a tile to come, as many at group `g` as a group has dwords: a tile of at most 16 tokens has
    /// no more lines than dwords.
    #[inline(always)]
    pub(super) fn prefetch<U: Unit>(&self, g: usize) {
        for line in 0..U::GROUP / 4 {
            super::prefetch(self.base.wrapping_add(self.ahead + 64 * (g * (U::GROUP / 4) + line)));
        }
    }
}

/// The first `count < 8` bytes at `at`, as the lowest of a number. Not inlined: it would be a dozen times, for rows that are rare.
///
/// # Safety
/// They are readable.
#[inline(never)]
unsafe fn first_bytes(at: *const u8, count: usize) -> u64 {
    // SAFETY: the caller's promise.
    (0..count).rev().fold(0, |number, i| number << 8 | u64::from(unsafe { at.add(i).read() }))
}

/// Room for a tile's tokens in the form the units read. Zero until written.
pub(super) struct Panel {
    few: [MaybeUninit<Lanes>; Panel::FEW],
    many: Vec<Lanes>,
    stride: usize,
}

impl Panel {
    const FEW: usize = 100;
    /// Vectors after the last row that a writer may touch.
    const SLACK: usize = 3;

    pub(super) fn new(groups: usize, tokens: usize) -> Self {
        let row = groups.div_ceil(16);
        let len = row * tokens + Self::SLACK;
        let mut panel = Self { few: [MaybeUninit::uninit(); Self::FEW], many: Vec::new(), stride: row * 64 };
        if len > Self::FEW {
            panel.many = vec![Lanes([0; 16]); len];
        } else if groups > 0 {
            panel.few[..len].fill(MaybeUninit::new(Lanes([0; 16])));
        }
        panel
    }

    fn start(&mut self) -> *mut u8 {
        if self.many.is_empty() { self.few.as_mut_ptr().cast() } else { self.many.as_mut_ptr().cast() }
    }
}

/// The tokens of one document.
pub(super) trait Tokens {
    /// Whether rows are read where they are, without the panel.
    const IN_PLACE: bool;

    /// # Safety
    /// Tokens `first..first + T` exist; the panel was made for at least `T` tokens of this source's groups; the processor has the
    /// instructions of the source's machine. The rows are valid until the panel is written again.
    unsafe fn rows<const T: usize>(&self, first: usize, panel: &mut Panel) -> Rows;
}

/// Tokens that the unit reads as they lie in memory.
pub(super) struct InPlace {
    base: *const u8,
    row_bytes: usize,
}

impl InPlace {
    /// `dim` elements a row. The rows must outlive the value: the callers in [`super`] hold their slice.
    pub(super) fn new<E>(rows: &[E], dim: usize) -> Self {
        Self { base: rows.as_ptr().cast(), row_bytes: dim * size_of::<E>() }
    }
}

impl Tokens for InPlace {
    const IN_PLACE: bool = true;

    #[inline(always)]
    unsafe fn rows<const T: usize>(&self, first: usize, _: &mut Panel) -> Rows {
        // SAFETY: token `first` exists.
        let base = unsafe { self.base.add(first * self.row_bytes) };
        let (len, ahead) = (self.row_bytes, 2 * T * self.row_bytes);
        Rows { base, stride: len, len, padded: false, ahead }
    }
}

/// How one row gets into the panel.
pub(super) trait Write {
    /// Where the source's rows start and how long they are, in bytes.
    fn source(&self) -> (*const u8, usize);
    /// # Safety
    /// As [`Machine`]'s methods: token `token` exists, and `to` has room for it and the slack.
    unsafe fn write(&self, token: usize, to: *mut u8);
}

/// Tokens that are written into the panel, `groups` dwords each.
pub(super) struct Written<W> {
    pub(super) groups: usize,
    pub(super) writer: W,
}

impl<W: Write> Tokens for Written<W> {
    const IN_PLACE: bool = false;

    #[inline(always)]
    unsafe fn rows<const T: usize>(&self, first: usize, panel: &mut Panel) -> Rows {
        let (base, stride) = (panel.start(), panel.stride);
        let (source, row_bytes) = self.writer.source();
        for t in 0..T {
            for line in (0..row_bytes).step_by(64) {
                super::prefetch(source.wrapping_add((first + t + 2 * T) * row_bytes + line));
            }
            // SAFETY: token `first + t` exists, row `t < T` lies in the panel, and so does the slack after it.
            unsafe { self.writer.write(first + t, base.add(t * stride)) };
        }
        // Rows of the panel are whole cache lines; what lies between them meets zeros of the query.
        Rows { base, stride, len: 4 * self.groups, padded: true, ahead: 0 }
    }
}

/// Half-precision rows, widened to `f32`; `BRAIN` tells `bf16` from `f16`.
pub(super) struct Halves<M, const BRAIN: bool> {
    pub(super) base: *const u16,
    pub(super) dim: usize,
    pub(super) machine: PhantomData<M>,
}

impl<M: Machine, const BRAIN: bool> Write for Halves<M, BRAIN> {
    #[inline(always)]
    fn source(&self) -> (*const u8, usize) {
        (self.base.cast(), 2 * self.dim)
    }
    #[inline(always)]
    unsafe fn write(&self, token: usize, to: *mut u8) {
        // SAFETY: the token has `dim` elements; the rest is the caller's promise.
        unsafe {
            let from = self.base.add(token * self.dim);
            if BRAIN { M::widen_bf16(from, self.dim, to) } else { M::widen_f16(from, self.dim, to) }
        }
    }
}

/// `i8` rows, widened to `i16`.
pub(super) struct Bytes<M> {
    pub(super) base: *const i8,
    pub(super) dim: usize,
    pub(super) machine: PhantomData<M>,
}

impl<M: Machine> Write for Bytes<M> {
    #[inline(always)]
    fn source(&self) -> (*const u8, usize) {
        (self.base.cast(), self.dim)
    }
    #[inline(always)]
    unsafe fn write(&self, token: usize, to: *mut u8) {
        // SAFETY: the token has `dim` elements; the rest is the caller's promise.
        unsafe { M::widen_i8(self.base.add(token * self.dim), self.dim, to) }
    }
}
