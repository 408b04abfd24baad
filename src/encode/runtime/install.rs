use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::super::EncodeError;
use super::search::is_library;
use super::wheels::{VERSION, WHEELS};

/// No wheel, and no library in one, is larger.
const SIZE_LIMIT: u64 = 1 << 30;
/// No honest file compresses better than this.
const RATIO_LIMIT: u64 = 100;

/// What [`install`] put where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The library.
    pub library: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The release of ONNX Runtime.
    pub version: &'static str,
}

/// Takes the ONNX Runtime library out of the PyPI wheel `wheel` and puts it into `cache`
/// (`onnxruntime/<version>/` below it), where [`RuntimeSearch`](super::RuntimeSearch) finds it.
///
/// The wheel's SHA-256 must be one of those compiled in. Only the library is unpacked, through a temporary file that
/// is renamed when it is complete: a reader sees the whole library or none.
///
/// # Errors
/// [`EncodeError::UnknownWheel`] if the checksum is not known, [`EncodeError::Install`] if unpacking fails. Nothing
/// is changed then.
pub fn install(wheel: &Path, cache: &Path) -> Result<Installed, EncodeError> {
    install_known(wheel, cache, WHEELS)
}

fn install_known(wheel: &Path, cache: &Path, known: &[(&str, &str)]) -> Result<Installed, EncodeError> {
    let mut file =
        File::open(wheel).map_err(|source| EncodeError::Unreadable { path: wheel.to_owned(), source })?;
    let found = sha256(&mut file).map_err(failed("reading the wheel"))?;
    if !known.iter().any(|(_, sum)| *sum == found) {
        let known = known.iter().map(|(name, sum)| format!("{name} {sum}")).collect::<Vec<_>>().join(", ");
        return Err(EncodeError::UnknownWheel { path: wheel.to_owned(), found, known });
    }
    let mut archive = zip::ZipArchive::new(file).map_err(|e| error("opening the wheel", e.to_string()))?;
    let index = library_entry(&mut archive)?;
    let mut entry = archive.by_index(index).map_err(|e| error("opening the library", e.to_string()))?;
    let (size, packed) = (entry.size(), entry.compressed_size());
    if size > SIZE_LIMIT || size > packed.saturating_mul(RATIO_LIMIT) || entry.is_symlink() {
        return Err(error("unpacking the library", format!("{size} bytes from {packed} are not believed")));
    }
    let name = entry.name().map_err(|e| error("unpacking the library", e.to_string()))?;
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    let directory = cache.join("onnxruntime").join(VERSION);
    fs::create_dir_all(&directory).map_err(failed("making the cache directory"))?;
    let library = directory.join(&name);
    let partial = directory.join(format!(".{name}.{}.partial", std::process::id()));
    let written = unpack(&mut entry, &partial, size).and_then(|()| fs::rename(&partial, &library));
    if let Err(source) = written {
        // Whether the rest of the temporary file goes does not matter: it is never read.
        let _ = fs::remove_file(&partial);
        return Err(failed("unpacking the library")(source));
    }
    Ok(Installed { library, bytes: size, version: VERSION })
}

/// Downloads the wheel with `python -m pip download` into a temporary directory and [`install`]s it into `cache`.
///
/// `python` needs no packages beside pip and is asked for the wheel of its own platform and version.
///
/// # Errors
/// [`EncodeError::Install`] with pip's words if it fails, and as [`install`].
pub fn install_with_pip(python: &Path, cache: &Path) -> Result<Installed, EncodeError> {
    fs::create_dir_all(cache).map_err(failed("making the cache directory"))?;
    let directory = cache.join(format!(".download-{}", std::process::id()));
    fs::create_dir_all(&directory).map_err(failed("making a temporary directory"))?;
    let installed = download(python, &directory).and_then(|wheel| install(&wheel, cache));
    // A temporary directory that stays behind takes space and nothing else.
    let _ = fs::remove_dir_all(&directory);
    installed
}

fn download(python: &Path, directory: &Path) -> Result<PathBuf, EncodeError> {
    let output = Command::new(python)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary=:all:", &format!("onnxruntime=={VERSION}"), "-d"])
        .arg(directory)
        .output()
        .map_err(failed("starting pip"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(error("pip download", words));
    }
    let mut wheels: Vec<PathBuf> = fs::read_dir(directory)
        .map_err(failed("reading the temporary directory"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .collect();
    wheels.sort();
    wheels.into_iter().next().ok_or_else(|| error("pip download", "pip left no wheel".to_owned()))
}

/// The number of the library's entry in the wheel.
fn library_entry(archive: &mut zip::ZipArchive<File>) -> Result<usize, EncodeError> {
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| error("reading the wheel", e.to_string()))?;
        let name = entry.name().map_err(|e| error("reading the wheel", e.to_string()))?;
        if entry.is_file() && name.strip_prefix("onnxruntime/capi/").is_some_and(is_library) {
            return Ok(index);
        }
    }
    Err(error("reading the wheel", "it holds no ONNX Runtime library".to_owned()))
}

/// Writes exactly `size` bytes of `from` to a new file, and to the disk.
fn unpack(from: &mut impl Read, path: &Path, size: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let written = io::copy(&mut from.take(size + 1), &mut file)?;
    if written != size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the library is not as long as the wheel says",
        ));
    }
    file.flush()?;
    file.sync_all()
}

fn sha256(file: &mut File) -> io::Result<String> {
    if file.metadata()?.len() > SIZE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too large for a wheel"));
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    io::Seek::rewind(file)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn error(action: &'static str, message: String) -> EncodeError {
    EncodeError::Install { action, message }
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> EncodeError {
    move |source| error(action, source.to_string())
}

#[cfg(test)]
mod tests {
    use zip::write::SimpleFileOptions;

    use super::*;

    fn wheel(path: &Path, entries: &[(&str, &[u8])]) -> String {
        let mut writer = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, body) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(body).unwrap();
        }
        writer.finish().unwrap();
        sha256(&mut File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn the_library_alone_is_unpacked() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.whl");
        let sum = wheel(
            &path,
            &[
                ("onnxruntime/capi/libonnxruntime_providers_shared.so", b"no"),
                ("../onnxruntime/capi/libonnxruntime.so", b"no"),
                ("onnxruntime/capi/libonnxruntime.so.1.32.0", b"library"),
            ],
        );
        let cache = root.path().join("cache");
        let installed = install_known(&path, &cache, &[("x.whl", &sum)]).unwrap();
        assert_eq!(installed.library, cache.join("onnxruntime/1.32.0/libonnxruntime.so.1.32.0"));
        assert_eq!(fs::read(&installed.library).unwrap(), b"library");
        assert_eq!(fs::read_dir(cache.join("onnxruntime/1.32.0")).unwrap().count(), 1);
        let search = super::super::RuntimeSearch { cache: Some(cache), ..Default::default() };
        assert_eq!(search.candidates()[0].path, installed.library);
    }

    #[test]
    fn a_published_wheel_is_installed() {
        let Some(path) = std::env::var_os("LATEEN_TEST_WHEEL") else {
            eprintln!("skipped: LATEEN_TEST_WHEEL names no wheel of ONNX Runtime");
            return;
        };
        let cache = tempfile::tempdir().unwrap();
        let installed = install(Path::new(&path), cache.path()).unwrap();
        assert!(installed.bytes > 1 << 20 && installed.library.exists(), "{installed:?}");
    }

    #[test]
    fn pip_that_fails_is_quoted() {
        let cache = tempfile::tempdir().unwrap();
        let error = install_with_pip(Path::new("/no/such/python"), cache.path()).unwrap_err();
        assert!(error.to_string().contains("starting pip"), "{error}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "nothing stays behind");
    }

    #[test]
    fn a_wheel_with_another_checksum_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.whl");
        wheel(&path, &[("onnxruntime/capi/libonnxruntime.so", b"evil")]);
        let cache = root.path().join("cache");
        let error = install(&path, &cache).unwrap_err();
        assert!(matches!(error, EncodeError::UnknownWheel { .. }), "{error}");
        assert!(!cache.exists(), "nothing is changed");
    }

    #[test]
    fn a_wheel_without_the_library_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.whl");
        let sum = wheel(&path, &[("onnxruntime/__init__.py", b"")]);
        let error = install_known(&path, root.path(), &[("x.whl", &sum)]).unwrap_err();
        assert!(error.to_string().contains("no ONNX Runtime library"), "{error}");
    }
}
