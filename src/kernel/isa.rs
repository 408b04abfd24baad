//! Which instructions the kernels may use.

use std::fmt;

use super::packed::Shape;

/// An instruction set that this processor has been seen to support.
///
/// The only way to a value is detection, so that a kernel that is handed one may use it.
///
/// ```
/// use lateen::kernel::Isa;
/// let isa = Isa::detect();
/// assert_eq!(Isa::named(isa.name())?, isa);
/// # Ok::<(), lateen::kernel::UnsupportedIsa>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni {
        bf16: bool,
    },
}

/// This processor cannot run the instruction set that was asked for, or there is none of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no instruction set {name:?} on this processor; it has {}", Names(.available))]
pub struct UnsupportedIsa {
    /// What was asked for.
    pub name: String,
    /// What could have been asked for.
    pub available: Vec<Isa>,
}

impl Isa {
    /// Plain Rust: runs everywhere.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The best instruction set of this processor. Cheap (the standard library remembers what it found).
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self::SCALAR)
    }

    /// All instruction sets of this processor, worst first. Never empty.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut found = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("fma") && has!("f16c");
            let avx512 = avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq");
            let vnni = avx512 && has!("avx512vnni");
            // Processors with BF16 have VBMI, but for one generation of few: it gets the kernels for VNNI alone.
            let bf16 = has!("avx512bf16") && has!("avx512vbmi");
            let kinds = [(avx2, Kind::Avx2), (avx512, Kind::Avx512), (vnni, Kind::Avx512Vnni { bf16 })];
            found.extend(kinds.iter().filter(|(has, _)| *has).map(|&(_, kind)| Self(kind)));
        }
        found
    }

    /// Chooses by name: `scalar`, `avx2`, `avx512`, `avx512-vnni` (with BF16 where the processor has it),
    /// or exactly what [`name`](Self::name) says.
    ///
    /// # Errors
    /// [`UnsupportedIsa`] if this processor lacks it or the name is unknown; it lists what there is.
    pub fn named(name: &str) -> Result<Self, UnsupportedIsa> {
        let available = Self::available();
        let fits = |isa: &&Self| {
            isa.name() == name || (name == "avx512-vnni" && isa.name().starts_with("avx512-vnni"))
        };
        let found = available.iter().rev().find(fits).copied();
        found.ok_or_else(|| UnsupportedIsa { name: name.to_owned(), available })
    }

    /// Its name: `scalar`, `avx2`, `avx512`, `avx512-vnni`, `avx512-vnni+bf16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni { bf16: false } => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni { bf16: true } => "avx512-vnni+bf16",
        }
    }

    /// [`available`](Self::available), and the kernels that it passes over here: those for VNNI without BF16.
    #[cfg(test)]
    pub(super) fn every() -> Vec<Self> {
        let mut found = Self::available();
        #[cfg(target_arch = "x86_64")]
        if Self::detect().has_bf16() {
            found.push(Self(Kind::Avx512Vnni { bf16: false }));
        }
        found
    }

    /// How a query is packed for its kernels.
    pub(super) fn shape(self) -> Shape {
        match self.0 {
            Kind::Scalar => Shape { width: 1, pairs: false },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Shape { width: 1, pairs: false },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Vnni { .. } => Shape { width: 2, pairs: true },
        }
    }

    /// Whether the kernels take groups of four bytes, not of two 16-bit integers.
    pub(super) fn has_vnni(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.0, Kind::Avx512Vnni { .. });
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Whether the kernels write codes of 2 and 4 bits as they come, not in planes.
    pub(super) fn has_vbmi(self) -> bool {
        self.has_bf16()
    }

    /// Whether the kernels take groups of two `bf16`, not of one `f32`.
    pub(super) fn has_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 == Kind::Avx512Vnni { bf16: true };
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    pub(super) fn kind(self) -> Kind {
        self.0
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

struct Names<'a>(&'a [Isa]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, isa) in self.0.iter().enumerate() {
            write!(f, "{}{isa}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
