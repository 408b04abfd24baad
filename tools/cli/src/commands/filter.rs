use clap::Args;
use lateen::search::{Filter, Predicate};

/// Which documents are meant.
#[derive(Debug, Clone, Args)]
pub struct FilterChoice {
    /// Only documents whose fields pass, such as `year >= 2020 and lang in ('en', 'de')`: = != < <= > >=, in, like, exists,
    /// and, or, not; `id`, `title`, `text` and names of the metadata
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<Predicate>,
}

impl FilterChoice {
    /// What to hand to a search.
    pub fn filter(&self) -> Option<Filter> {
        self.filter.clone().map(Filter::matching)
    }

    /// Whether one was given.
    pub fn is_given(&self) -> bool {
        self.filter.is_some()
    }
}
