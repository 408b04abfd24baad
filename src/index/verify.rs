//! Reads everything and says what is wrong.
pub enum VerifyLevel { Quick, Full }
pub struct VerifyReport { pub generation: u64, pub files: u64, pub bytes: u64, pub findings: Vec<Finding> }
pub struct Finding { pub file: PathBuf, pub section: Option<&'static str>, pub problem: Problem }
pub enum Problem {}
pub fn verify(path: &Path, level: VerifyLevel) -> Result<VerifyReport, IndexError>;
