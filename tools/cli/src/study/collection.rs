//! What is searched and asked.

use super::config::{CollectionSpec, Fold};
use crate::exit::bad_data;
use crate::output::Output;
use lateen::corpus::{CorpusError, Document, Queries, QuestionSet, ReadOptions, Source};
use lateen::eval::position::{Bucket, SQUAD_LIMITS, buckets_of_names, buckets_of_starts};
use lateen::eval::{Qrels, beir};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use xxhash_rust::xxh3::Xxh3;

/// A query with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub id: String,
    pub text: String,
}

/// Texts, judged queries, and where their answers stand, all in memory.
#[derive(Debug, Default)]
pub struct Collection {
    pub name: String,
    pub split: String,
    pub documents: Vec<Document>,
    pub queries: Vec<Query>,
    pub qrels: Qrels,
    /// Empty if nothing is known of positions.
    pub buckets: Vec<Bucket>,
    /// What the collection itself calls the bucket of each query.
    pub stored_buckets: Vec<(String, String)>,
    /// XXH3-128 of ids, texts, queries and judgements.
    pub hash: String,
    /// XXH3-128 of ids and texts: what an index is made of.
    pub texts_hash: String,
    pub notes: Vec<String>,
}

impl Collection {
    pub fn open(output: &mut Output, spec: &CollectionSpec, seed: u64) -> anyhow::Result<Self> {
        let fold = spec.format.unwrap_or_else(|| Fold::of(&spec.path));
        let mut collection = match fold {
            Fold::Beir => Self::beir(spec)?,
            Fold::Questions => Self::questions(spec)?,
        };
        collection.name.clone_from(&spec.name);
        collection.check()?;
        let elsewhere = collection.in_other_buckets().count() as u64;
        if elsewhere > 0 {
            let words = "in another bucket than the collection says";
            collection.notes.push(format!("{} {words}", crate::size::count(elsewhere, "query")));
        }
        collection.draw(spec, seed);
        (collection.texts_hash, collection.hash) = collection.digests();
        for note in &collection.notes {
            output.note(format_args!("{}: {note}", spec.name));
        }
        Ok(collection)
    }

    fn beir(spec: &CollectionSpec) -> anyhow::Result<Self> {
        let folder = beir::Collection::open(&spec.path)?;
        let split = spec.split.clone().unwrap_or_else(|| folder.default_split().to_owned());
        let qrels = folder.qrels(&split)?;
        let documents =
            Source::open(&folder.corpus, ReadOptions::default())?.collect::<Result<Vec<_>, CorpusError>>()?;
        let options = ReadOptions { skip_bad: true, ..ReadOptions::default() };
        let mut reader = Queries::open(&folder.queries, options)?;
        let judged: std::collections::HashSet<&str> = qrels.queries().collect();
        let (mut queries, mut starts, mut stored) = (Vec::new(), Vec::new(), Vec::new());
        for query in reader.by_ref() {
            let query = query?;
            let is_unique = || query.metadata.get("answer_start_unique").is_none_or(|unique| unique == true);
            if !judged.contains(query.id.as_str()) || (spec.unique_answers && !is_unique()) {
                continue;
            }
            let start = query.metadata.get("answer_start").and_then(serde_json::Value::as_u64);
            if let Some(start) = start.and_then(|start| u32::try_from(start).ok()) {
                starts.push((query.id.clone(), start));
                if let Some(bucket) = query.metadata.get("bucket").and_then(serde_json::Value::as_str) {
                    stored.push((query.id.clone(), bucket.to_owned()));
                }
            }
            queries.push(Query { id: query.id, text: query.text });
        }
        let mut notes = Vec::new();
        let skipped = reader.skipped();
        if skipped.records > 0 {
            notes.push(format!("{} left out", crate::size::count(skipped.records, "bad query")));
        }
        let buckets = of_starts(&starts, spec);
        Ok(Self {
            split,
            documents,
            queries,
            qrels,
            buckets,
            stored_buckets: stored,
            notes,
            ..Self::default()
        })
    }

    fn questions(spec: &CollectionSpec) -> anyhow::Result<Self> {
        let set = QuestionSet::open(&spec.path, spec.split.as_deref())?;
        let mut qrels = Qrels::new();
        let (mut queries, mut starts, mut named) = (Vec::new(), Vec::new(), Vec::new());
        for question in set.questions {
            qrels.insert(&question.id, &set.texts[question.text].id, 1);
            named.extend(question.parts.into_iter().map(|part| (question.id.clone(), part)));
            if let Some(start) = question.start {
                starts.push((question.id.clone(), start));
            }
            queries.push(Query { id: question.id, text: question.question });
        }
        let mut notes = Vec::new();
        if set.misplaced > 0 {
            notes.push(format!(
                "{} not where the file says",
                crate::size::count(set.misplaced as u64, "answer")
            ));
        }
        let buckets = if named.is_empty() { of_starts(&starts, spec) } else { of_names(&named) };
        let split = spec.split.clone().unwrap_or_else(|| "all".to_owned());
        let documents = set.texts;
        Ok(Self { split, documents, queries, qrels, buckets, notes, ..Self::default() })
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.queries.is_empty() {
            return bad_data(format!("{}: no query is judged in split {:?}", self.name, self.split));
        }
        Ok(())
    }

    /// The queries whose buckets are not the one that the collection says.
    fn in_other_buckets(&self) -> impl Iterator<Item = &str> {
        let own = |query: &str| {
            let with = self.buckets.iter().filter(move |bucket| bucket.queries.contains(query));
            with.map(|bucket| bucket.name.as_str()).collect::<Vec<_>>()
        };
        let differs = move |(query, stored): &&(String, String)| own(query) != [stored.as_str()];
        self.stored_buckets.iter().filter(differs).map(|(query, _)| query.as_str())
    }

    /// Keeps so many queries, in their old order.
    fn draw(&mut self, spec: &CollectionSpec, seed: u64) {
        let Some(count) = spec.queries.filter(|count| *count < self.queries.len()) else { return };
        let mut order: Vec<usize> = (0..self.queries.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        order.truncate(count);
        order.sort_unstable();
        self.notes.push(format!("{count} of {} queries, drawn with seed {seed}", self.queries.len()));
        self.queries = order.into_iter().map(|at| self.queries[at].clone()).collect();
    }

    /// Of the texts, and of everything.
    fn digests(&self) -> (String, String) {
        let mut hash = Xxh3::new();
        let add = |hash: &mut Xxh3, bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for document in &self.documents {
            add(&mut hash, document.id.as_bytes());
            add(&mut hash, document.full_text().as_bytes());
        }
        let texts = format!("{:032x}", hash.digest128());
        for query in &self.queries {
            add(&mut hash, query.id.as_bytes());
            add(&mut hash, query.text.as_bytes());
            for (document, grade) in self.qrels.judgements(&query.id) {
                add(&mut hash, document.as_bytes());
                add(&mut hash, &grade.to_le_bytes());
            }
        }
        (texts, format!("{:032x}", hash.digest128()))
    }

    /// The judgements of the queries that are asked.
    pub fn asked_qrels(&self) -> Qrels {
        let mut qrels = Qrels::new();
        for query in &self.queries {
            for (document, grade) in self.qrels.judgements(&query.id) {
                qrels.insert(&query.id, document, grade);
            }
        }
        qrels
    }
}

fn of_starts(starts: &[(String, u32)], spec: &CollectionSpec) -> Vec<Bucket> {
    if starts.is_empty() {
        return Vec::new();
    }
    let starts = starts.iter().map(|(id, start)| (id.as_str(), *start));
    buckets_of_starts(starts, &SQUAD_LIMITS, spec.boundary.into())
}

/// In the order of the text, by either spelling of the parts.
fn of_names(named: &[(String, String)]) -> Vec<Bucket> {
    let old = named.iter().any(|(_, name)| name == "before" || name == "after");
    let order = if old { ["before", "middle", "after"] } else { ["beginning", "middle", "end"] };
    buckets_of_names(named.iter().map(|(id, name)| (id.as_str(), name.as_str())), &order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Color, Global};
    use std::path::PathBuf;

    fn open(path: PathBuf, split: &str) -> Collection {
        let global = Global { json: false, quiet: true, verbose: 0, color: Color::Never };
        let spec = CollectionSpec {
            name: "x".into(),
            path,
            written: String::new(),
            format: None,
            split: Some(split.to_owned()),
            queries: None,
            boundary: Default::default(),
            unique_answers: false,
        };
        Collection::open(&mut Output::new(&global), &spec, 1).unwrap()
    }

    /// The buckets made of positions are those that the collections were published with.
    #[test]
    fn buckets_agree_with_those_in_the_data() {
        let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        let data = std::env::var_os("LATEEN_DATA").map_or_else(default, PathBuf::from);
        for (name, split, queries) in [("squad-dev", "test", 10_570), ("cmrc2018", "dev", 3_219)] {
            let folder = data.join("collections").join(name);
            if !folder.is_dir() {
                println!("skipped: {} is not there; set LATEEN_DATA", folder.display());
                continue;
            }
            let collection = open(folder, split);
            assert_eq!((collection.queries.len(), collection.stored_buckets.len()), (queries, queries));
            let elsewhere: Vec<&str> = collection.in_other_buckets().collect();
            assert!(elsewhere.is_empty(), "{name}: {elsewhere:?}");
            let first = &collection.stored_buckets[0];
            assert!(collection.buckets.iter().any(|bucket| bucket.queries.contains(&first.0)));
        }
    }
}
