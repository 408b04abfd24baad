//! One row of a training file, whatever its format.

/// A query and what is known about documents for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Without a prompt.
    pub query: String,
    /// A prompt for this query alone, instead of the model's (`prompt_for_query`, `prompt`).
    pub prompt: Option<String>,
    /// In the order of the file, positives before negatives.
    pub documents: Vec<Document>,
}

/// A document of a [`Record`].
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The text.
    pub text: String,
    /// What the file says about it.
    pub role: Role,
    /// A teacher's score or a grade, if the file has them.
    pub label: Option<f32>,
}

/// What a file says about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It answers the query.
    Positive,
    /// It does not.
    Negative,
    /// Only its label says.
    Judged,
}

impl Record {
    /// Documents of one role, with their positions.
    pub fn of(&self, role: Role) -> impl Iterator<Item = (usize, &Document)> {
        self.documents.iter().enumerate().filter(move |(_, document)| document.role == role)
    }

    /// Documents that answer the query: positives, and judged ones whose label is the group's largest.
    #[must_use]
    pub fn answers(&self) -> Vec<usize> {
        let best = self.of(Role::Judged).filter_map(|(_, document)| document.label).reduce(f32::max);
        let answers = |document: &Document| match document.role {
            Role::Positive => true,
            Role::Negative => false,
            // A single judged document is an answer to nobody's knowledge.
            Role::Judged => self.documents.len() > 1 && document.label == best,
        };
        self.documents.iter().enumerate().filter(|(_, d)| answers(d)).map(|(at, _)| at).collect()
    }
}
