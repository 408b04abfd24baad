//! Where a tile's tokens come from: straight from memory, or written into a panel first.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::unit::Machine;
use crate::kernel::packed::Lanes;

/// The tokens of one tile, `stride` bytes apart, `groups` whole dwords and `tail < 4` bytes each.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    base: *const u8,
    stride: usize,
    pub(super) groups: usize,
    pub(super) tail: usize,
    /// Bytes from `base` to what will be read soon; 0 where nothing should be fetched.
    ahead: usize,
}

impl Rows {
    /// # Safety
    /// `t` is a token of the tile and `g < groups`.
    #[inline(always)]
    pub(super) unsafe fn group(&self, t: usize, g: usize) -> u32 {
        // SAFETY: the dword lies in the token's row; `u32` has no invalid values; the read asks for no alignment.
        unsafe { self.base.add(t * self.stride + 4 * g).cast::<u32>().read_unaligned() }
    }

    /// The last, partly filled group; zeros fill it up.
    ///
    /// # Safety
    /// `t` is a token of the tile.
    #[inline(always)]
    pub(super) unsafe fn tail(&self, t: usize) -> u32 {
        let mut bytes = [0; 4];
        for (i, byte) in bytes.iter_mut().enumerate().take(self.tail) {
            // SAFETY: the row goes on for `tail` bytes after its groups.
            *byte = unsafe { self.base.add(t * self.stride + 4 * self.groups + i).read() };
        }
        u32::from_le_bytes(bytes)
    }

    /// Asks for the `g`-th cache line of a tile to come: a tile of at most 16 tokens has no more lines than groups.
    #[inline(always)]
    pub(super) fn prefetch(&self, g: usize) {
        if self.ahead > 0 {
            super::prefetch(self.base.wrapping_add(self.ahead + 64 * g));
        }
    }
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
    fn needs_panel(&self) -> bool;

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
    #[inline(always)]
    fn needs_panel(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn rows<const T: usize>(&self, first: usize, _: &mut Panel) -> Rows {
        // SAFETY: token `first` exists.
        let base = unsafe { self.base.add(first * self.row_bytes) };
        let (groups, tail) = (self.row_bytes / 4, self.row_bytes % 4);
        Rows { base, stride: self.row_bytes, groups, tail, ahead: 2 * T * self.row_bytes }
    }
}

/// How one row gets into the panel.
pub(super) trait Write {
    /// Where the source's rows start and how long they are, in bytes.
    fn source(&self) -> (*const u8, usize);
    /// # Safety
    /// As [`Machine`]'s methods: token `token` exists, and `to` has room for it and the slack.
    unsafe fn write(&self, token: usize, to: *mut u8);
    /// Called before a tile is written, with the tokens of the tile after it.
    #[inline(always)]
    fn announce(&self, _next: std::ops::Range<usize>) {}
}

/// Tokens that are written into the panel, `groups` dwords each.
pub(super) struct Written<W> {
    pub(super) groups: usize,
    pub(super) writer: W,
}

impl<W: Write> Tokens for Written<W> {
    #[inline(always)]
    fn needs_panel(&self) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn rows<const T: usize>(&self, first: usize, panel: &mut Panel) -> Rows {
        let (base, stride) = (panel.start(), panel.stride);
        let (source, row_bytes) = self.writer.source();
        self.writer.announce(first + T..first + 2 * T);
        for t in 0..T {
            for line in (0..row_bytes).step_by(64) {
                super::prefetch(source.wrapping_add((first + t + 2 * T) * row_bytes + line));
            }
            // SAFETY: token `first + t` exists, row `t < T` lies in the panel, and so does the slack after it.
            unsafe { self.writer.write(first + t, base.add(t * stride)) };
        }
        Rows { base, stride, groups: self.groups, tail: 0, ahead: 0 }
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
