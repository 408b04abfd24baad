//! Where a measurement was made.

use serde::{Deserialize, Serialize};

/// What a reader must know to judge a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub system: String,
    pub kernel: String,
    pub version: String,
}

impl Machine {
    pub fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|text| text.trim_end_matches("kB").trim().parse::<u64>().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib.unwrap_or(0) * 1024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: lateen::kernel::Isa::detect().name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// In words.
    pub fn line(&self) -> String {
        let memory = crate::size::bytes(self.memory_bytes);
        format!(
            "{}, {} cores, {memory}, {}, {} kernels, lateen {}",
            self.processor, self.cores, self.system, self.kernel, self.version
        )
    }
}
