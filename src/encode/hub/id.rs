use std::fmt;

/// The longest part of a name that is taken.
const LONGEST: usize = 96;

/// A model's name on the hub, `org/name` or `org/name@revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    organisation: String,
    name: String,
    revision: String,
}

impl HubId {
    /// Reads a name. None if it is no name of the hub's: each part is made of letters, digits, `-`, `_` and `.`, does not
    /// begin with a `.` and holds no `..`; a revision (a branch, a tag or a commit) may hold `/` between such parts.
    ///
    /// ```
    /// use lateen::encode::hub::HubId;
    /// let id = HubId::parse("sentence-transformers/all-MiniLM-L6-v2@refs/pr/7").unwrap();
    /// assert_eq!((id.repository().as_str(), id.revision()), ("sentence-transformers/all-MiniLM-L6-v2", "refs/pr/7"));
    /// assert_eq!(HubId::parse("a/b").unwrap().revision(), "main");
    /// assert!(HubId::parse("../../etc/passwd").is_none() && HubId::parse("models/a/b").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (repository, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (organisation, name) = repository.split_once('/')?;
        let sound = is_part(organisation) && is_part(name) && revision.split('/').all(is_part);
        sound.then(|| Self {
            organisation: organisation.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// `org/name`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.organisation, self.name)
    }

    /// The branch, tag or commit.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The model's folder in a cache.
    pub(super) fn folder(&self) -> String {
        format!("models--{}--{}", self.organisation, self.name)
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organisation, self.name)?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !part.is_empty()
        && part.len() <= LONGEST
        && !part.starts_with('.')
        && !part.contains("..")
        && part.chars().all(plain)
}

/// Whether `text` is a commit: 40 hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
