//! Dividing a file so that no part knows the texts of another.

use std::collections::HashMap;

use serde_json::Value;

use super::dice::{Dice, Purpose};
use super::error::DataError;
use super::set::{DataSet, hash};

/// What keeps records together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Together {
    /// Records with the same query.
    Queries,
    /// Records with the same query, or with a document that answers both.
    #[default]
    Positives,
    /// Records that share any text.
    Texts,
}

/// How a file is divided.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitOptions {
    /// Names and shares of the parts but the first, which takes the rest.
    pub parts: Vec<(String, f64)>,
    /// What keeps records together.
    pub together: Together,
    /// A field of the rows, such as an article: records with the same value stay together too.
    pub group_field: Option<String>,
    /// Chooses another division.
    pub seed: u64,
}

/// Which part each record is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// 0 for the rest, else the number of the part from 1.
    pub part: Vec<u8>,
    /// Groups of records that belong together.
    pub groups: usize,
    /// Records of the largest.
    pub largest: usize,
}

/// Divides the records of a set. The part of a group depends on its texts alone, not on the order of the file.
///
/// # Errors
/// [`DataError::Changed`]; [`DataError::WrongFormat`] for a group field of a BEIR folder.
pub fn divide(set: &DataSet, options: &SplitOptions) -> Result<Division, DataError> {
    let mut groups = Groups::new(set.len());
    let mut first: HashMap<(u8, u64), usize> = HashMap::new();
    let mut join = |groups: &mut Groups, record: usize, kind: u8, key: u64| match first.get(&(kind, key)) {
        Some(&other) => groups.join(record, other),
        None => drop(first.insert((kind, key), record)),
    };
    // Texts are of one kind, so that a query that is a document elsewhere keeps both together.
    const TEXT: u8 = 0;
    const FIELD: u8 = 1;
    for at in 0..set.len() {
        join(&mut groups, at, TEXT, set.entry(at).query);
        match options.together {
            Together::Queries => {}
            Together::Positives => {
                set.answers(at).iter().for_each(|&answer| join(&mut groups, at, TEXT, answer));
            }
            Together::Texts => {
                let record = set.read(at)?;
                record
                    .documents
                    .iter()
                    .for_each(|document| join(&mut groups, at, TEXT, hash(&document.text)));
            }
        }
        if let Some(field) = &options.group_field {
            let row = set.row(at)?;
            if let Some(value) = row.get(field).filter(|value| !value.is_null()) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                join(&mut groups, at, FIELD, hash(&text));
            }
        }
    }
    Ok(assign(set, groups, options))
}

fn assign(set: &DataSet, mut groups: Groups, options: &SplitOptions) -> Division {
    let roots: Vec<usize> = (0..set.len()).map(|at| groups.root(at)).collect();
    // A group is named by its smallest query, which no order of the file changes.
    let mut names: HashMap<usize, (u64, usize)> = HashMap::new();
    for (at, &root) in roots.iter().enumerate() {
        let name = names.entry(root).or_insert((u64::MAX, 0));
        *name = (name.0.min(set.entry(at).query), name.1 + 1);
    }
    let part_of = |name: u64| {
        let mut throw = Dice::new(options.seed, Purpose::Split, &[name]).unit();
        for (number, (_, share)) in options.parts.iter().enumerate() {
            if throw < *share {
                return number as u8 + 1;
            }
            throw -= share;
        }
        0
    };
    let part = roots.iter().map(|root| names.get(root).map_or(0, |name| part_of(name.0))).collect();
    let largest = names.values().map(|name| name.1).max().unwrap_or(0);
    Division { part, groups: names.len(), largest }
}

/// Records that are in one group (union-find with path halving: Tarjan & van Leeuwen, 1984).
struct Groups {
    parent: Vec<u32>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parent: (0..count as u32).collect() }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] as usize != at {
            let above = self.parent[self.parent[at] as usize];
            self.parent[at] = above;
            at = above as usize;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller number stays, so the result does not depend on who asked.
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low as u32;
    }
}

impl DataSet {
    /// The row of a record as it stands in the file.
    ///
    /// # Errors
    /// [`DataError::Changed`]; [`DataError::WrongFormat`] for a BEIR folder, whose records are no rows.
    pub fn line(&self, record: usize) -> Result<String, DataError> {
        self.text_of(record).unwrap_or_else(|| {
            Err(DataError::WrongFormat {
                file: self.name().to_owned(),
                format: "beir",
                wanted: "single rows",
            })
        })
    }

    /// The header of a table.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        self.header_of()
    }

    fn row(&self, record: usize) -> Result<Value, DataError> {
        let line = self.line(record)?;
        self.parse_row(&line)
            .map_err(|problem| DataError::Changed { at: self.place(record), reason: problem.to_string() })
    }
}
