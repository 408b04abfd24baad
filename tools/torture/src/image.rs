//! A file system of its own in a file, mounted while it lives.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// An image in a temporary folder, and where it is mounted.
pub struct Image {
    folder: tempfile::TempDir,
    file_system: FileSystem,
    mounted: bool,
}

impl Image {
    /// Makes a file system of `mib` MiB and mounts it; `Err` in the inner result says why this machine does not let us.
    pub fn new(file_system: FileSystem, mib: u64) -> anyhow::Result<Result<Self, String>> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("mount"))?;
        std::fs::File::create(folder.path().join("image"))?.set_len(mib << 20)?;
        let mut image = Self { folder, file_system, mounted: false };
        let (program, quiet): (_, &[&str]) = match file_system {
            FileSystem::Ext4 => ("mkfs.ext4", &["-q", "-F"]),
            FileSystem::Xfs => ("mkfs.xfs", &["-q"]),
        };
        if let Err(error) = run(Command::new(program).args(quiet).arg(image.file())) {
            return Ok(Err(format!("{program}: {error:#}")));
        }
        match image.mount() {
            Ok(()) => Ok(Ok(image)),
            Err(error) => Ok(Err(format!("{error:#}"))),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where its files are.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    pub fn mount(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new("mount");
        command.args(["-t", self.file_system.name(), "-o", "loop"]).arg(self.file()).arg(self.path());
        run(&mut command)?;
        self.mounted = true;
        Ok(())
    }

    pub fn unmount(&mut self) -> anyhow::Result<()> {
        // A process that was killed may take a moment to let go of its files.
        for _ in 0..50 {
            if run(Command::new("umount").arg(self.path())).is_ok() {
                self.mounted = false;
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        bail!("{} cannot be unmounted", self.path().display());
    }

    /// Ends all writing to the device at once, without flushing the journal: what a power cut does.
    ///
    /// The ioctl is `_IOR('X', 125, u32)` with flag 2; Python makes the call, so that no `unsafe` is needed here.
    pub fn cut_power(&self) -> anyhow::Result<()> {
        let program = "import fcntl, os, struct, sys\n\
                       fd = os.open(sys.argv[1], os.O_RDONLY)\n\
                       fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))";
        run(Command::new("python3").args(["-c", program]).arg(self.path()))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.mounted {
            let _ = self.unmount();
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Says that a trial cannot run here.
pub fn skipped(trial: &str, path: &Path, why: &str) {
    println!("skipped: {trial} needs a file system of its own in {}, and {why}", path.display());
}
