//! What is in a training file, and what is wrong with it, before hours are spent.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::dice::{Dice, Purpose};
use super::error::DataError;
use super::record::{Record, Role};
use super::set::{DataSet, estimate, hash};
use super::tokenizer::TextTokenizer;

/// How a file is looked at.
#[derive(Debug, Clone, Copy)]
pub struct SurveyOptions<'a> {
    /// Counts tokens; without one they are estimated.
    pub tokenizer: Option<&'a TextTokenizer>,
    /// Tokens of queries and documents beyond which texts are cut.
    pub max_tokens: (usize, usize),
    /// Records whose texts are tokenised at most, chosen by chance.
    pub sample: usize,
    /// Examples of each kind of trouble that are kept.
    pub examples: usize,
}

impl Default for SurveyOptions<'_> {
    fn default() -> Self {
        Self { tokenizer: None, max_tokens: (128, 512), sample: 10_000, examples: 3 }
    }
}

/// A kind of trouble: how often, and where first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Trouble {
    /// Records or texts concerned.
    pub count: u64,
    /// `file:line: beginning of the text`.
    pub examples: Vec<String>,
}

/// Lengths in tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Lengths {
    /// Texts measured.
    pub texts: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: usize,
    /// 90 of 100 are not longer.
    pub p90: usize,
    /// 99 of 100 are not longer.
    pub p99: usize,
    /// The longest.
    pub max: usize,
    /// The limit.
    pub limit: usize,
    /// Texts longer than the limit, marks counted.
    pub cut: u64,
}

/// How often which labels stand in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// The smallest label.
    pub min: f32,
    /// The largest label.
    pub max: f32,
    /// Documents in parts of equal width from `min` to `max`.
    pub counts: Vec<u64>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// The path as it was given.
    pub file: String,
    /// What the rows are.
    pub format: &'static str,
    /// Why this format was taken.
    pub why: String,
    /// Rows, bad ones included.
    pub rows: u64,
    /// Usable records.
    pub records: u64,
    /// Different queries.
    pub queries: u64,
    /// Documents that answer.
    pub positives: u64,
    /// Documents that do not.
    pub negatives: u64,
    /// Documents with a label alone.
    pub judged: u64,
    /// Rows that cannot be used.
    pub bad_rows: Trouble,
    /// Records whose query stood in an earlier one.
    pub repeated_queries: Trouble,
    /// Records that say nothing new: query and positives stood in earlier ones.
    pub repeated_records: Trouble,
    /// Documents that stand twice in a record.
    pub repeated_documents: Trouble,
    /// Negatives that are a positive of the same query in some record.
    pub contradictions: Trouble,
    /// Documents that are the query itself.
    pub echoes: Trouble,
    /// Records without a negative in a file that has some.
    pub without_negatives: Trouble,
    /// Of queries.
    pub query_tokens: Lengths,
    /// Of documents.
    pub document_tokens: Lengths,
    /// Whether tokens are counted, not estimated.
    pub tokenised: bool,
    /// Of the labels, if there are any.
    pub labels: Option<Histogram>,
}

/// Texts that two files share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leakage {
    /// The file to train on.
    pub train: String,
    /// The file to test on.
    pub test: String,
    /// Queries of the test file that are queries of the other.
    pub queries: Trouble,
    /// Positives of the test file that are positives of the other.
    pub positives: Trouble,
}

const BINS: usize = 10;

impl Survey {
    /// Reads every record once. Memory: hashes of queries and documents.
    ///
    /// # Errors
    /// [`DataError::Changed`], [`DataError::Tokenise`].
    pub fn of(set: &DataSet, options: SurveyOptions<'_>) -> Result<Self, DataError> {
        let report = set.report();
        let mut survey = Self::empty(set);
        survey.bad_rows.count = report.skipped;
        survey.bad_rows.examples =
            report.problems.iter().map(|(at, problem)| format!("{at}: {problem}")).collect();
        let measured: HashSet<usize> = if set.len() > options.sample {
            Dice::new(0, Purpose::Order, &[]).choose(set.len(), options.sample).into_iter().collect()
        } else {
            (0..set.len()).collect()
        };
        let mut seen = Seen::default();
        let (mut queries, mut documents, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..set.len() {
            let record = set.read(at)?;
            survey.count(&record);
            survey.find_trouble(set, at, &record, &mut seen, options.examples);
            labels.extend(record.documents.iter().filter_map(|document| document.label));
            if measured.contains(&at) {
                queries.push(tokens(&record.query, options.tokenizer)?);
                for document in &record.documents {
                    documents.push(tokens(&document.text, options.tokenizer)?);
                }
            }
        }
        survey.queries = seen.queries.len() as u64;
        let marks = options.tokenizer.map_or(2, |tokenizer| tokenizer.marks().0);
        survey.query_tokens = Lengths::of(queries, options.max_tokens.0, marks);
        survey.document_tokens = Lengths::of(documents, options.max_tokens.1, marks);
        survey.tokenised = options.tokenizer.is_some();
        survey.labels = Histogram::of(&labels);
        Ok(survey)
    }

    fn empty(set: &DataSet) -> Self {
        Self {
            file: set.name().to_owned(),
            format: set.format().name(),
            why: set.why().to_owned(),
            rows: set.report().rows,
            records: set.len() as u64,
            queries: 0,
            positives: 0,
            negatives: 0,
            judged: 0,
            bad_rows: Trouble::default(),
            repeated_queries: Trouble::default(),
            repeated_records: Trouble::default(),
            repeated_documents: Trouble::default(),
            contradictions: Trouble::default(),
            echoes: Trouble::default(),
            without_negatives: Trouble::default(),
            query_tokens: Lengths::default(),
            document_tokens: Lengths::default(),
            tokenised: false,
            labels: None,
        }
    }

    fn count(&mut self, record: &Record) {
        let count = |role| record.of(role).count() as u64;
        self.positives += count(Role::Positive);
        self.negatives += count(Role::Negative);
        self.judged += count(Role::Judged);
    }

    fn find_trouble(&mut self, set: &DataSet, at: usize, record: &Record, seen: &mut Seen, keep: usize) {
        let place = |text: &str| format!("{}: {}", set.place(at), start(text));
        let query = hash(&record.query);
        let new_query = seen.queries.insert(query);
        if !new_query {
            self.repeated_queries.note(keep, || place(&record.query));
        }
        let answers: HashSet<u64> = set.known(query).collect();
        let (mut own, mut new) = (HashSet::new(), new_query);
        for document in &record.documents {
            let text = hash(&document.text);
            new |= document.role != Role::Negative && seen.pairs.insert(text.rotate_left(17) ^ query);
            if !own.insert(text) {
                self.repeated_documents.note(keep, || place(&document.text));
            }
            if document.role == Role::Negative && answers.contains(&text) {
                self.contradictions.note(keep, || place(&document.text));
            }
            if text == query {
                self.echoes.note(keep, || place(&document.text));
            }
        }
        if !new {
            self.repeated_records.note(keep, || place(&record.query));
        }
        if set.has_negatives() && record.of(Role::Negative).next().is_none() {
            self.without_negatives.note(keep, || place(&record.query));
        }
    }

    /// Kinds of trouble that spoil a training, with their names.
    #[must_use]
    pub fn troubles(&self) -> [(&'static str, &Trouble); 7] {
        [
            ("bad rows", &self.bad_rows),
            ("negatives that are known positives", &self.contradictions),
            ("documents that are the query itself", &self.echoes),
            ("records that repeat earlier ones", &self.repeated_records),
            ("documents twice in a record", &self.repeated_documents),
            ("records without a negative", &self.without_negatives),
            ("queries asked before", &self.repeated_queries),
        ]
    }

    /// Whether the file should be mended before it is trained on: bad rows or contradictions.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.bad_rows.count > 0 || self.contradictions.count > 0
    }
}

#[derive(Default)]
struct Seen {
    queries: HashSet<u64>,
    /// Of query and positive together.
    pairs: HashSet<u64>,
}

impl Trouble {
    fn note(&mut self, keep: usize, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < keep {
            self.examples.push(example());
        }
    }
}

impl Leakage {
    /// What a test set shares with a set to train on.
    ///
    /// # Errors
    /// [`DataError::Changed`].
    pub fn between(train: &DataSet, test: &DataSet, keep: usize) -> Result<Self, DataError> {
        let (mut queries, mut positives) = (HashSet::new(), HashSet::<u64>::new());
        for at in 0..train.len() {
            queries.insert(train.entry(at).query);
            positives.extend(train.answers(at));
        }
        let mut leakage = Self {
            train: train.name().to_owned(),
            test: test.name().to_owned(),
            queries: Trouble::default(),
            positives: Trouble::default(),
        };
        for at in 0..test.len() {
            let asked = queries.contains(&test.entry(at).query);
            let known: Vec<usize> =
                (0..test.answers(at).len()).filter(|&n| positives.contains(&test.answers(at)[n])).collect();
            if !asked && known.is_empty() {
                continue;
            }
            let record = test.read(at)?;
            let place = |text: &str| format!("{}: {}", test.place(at), start(text));
            if asked {
                leakage.queries.note(keep, || place(&record.query));
            }
            let answers = record.answers();
            for &n in &known {
                leakage
                    .positives
                    .note(keep, || place(answers.get(n).map_or("", |&at| &record.documents[at].text)));
            }
        }
        Ok(leakage)
    }

    /// Whether anything is shared.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.queries.count + self.positives.count > 0
    }
}

impl Lengths {
    fn of(mut lengths: Vec<usize>, limit: usize, marks: usize) -> Self {
        lengths.sort_unstable();
        let Some(&max) = lengths.last() else { return Self { limit, ..Self::default() } };
        let count = lengths.len();
        let at = |share: usize| lengths[((count * share).div_ceil(100)).saturating_sub(1)];
        let room = limit.saturating_sub(marks);
        Self {
            texts: count as u64,
            mean: lengths.iter().sum::<usize>() as f64 / count as f64,
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max,
            limit,
            cut: (count - lengths.partition_point(|&length| length <= room)) as u64,
        }
    }
}

impl Histogram {
    fn of(labels: &[f32]) -> Option<Self> {
        let min = labels.iter().copied().reduce(f32::min)?;
        let max = labels.iter().copied().reduce(f32::max)?;
        let distinct: HashMap<u32, ()> =
            labels.iter().take(10_000).map(|label| (label.to_bits(), ())).collect();
        let bins = distinct.len().clamp(1, BINS);
        let mut counts = vec![0; bins];
        for label in labels {
            let share = f64::from(label - min) / f64::from(max - min).max(f64::MIN_POSITIVE);
            counts[((share * bins as f64) as usize).min(bins - 1)] += 1;
        }
        Some(Self { min, max, counts })
    }

    /// A bar for each part.
    #[must_use]
    pub fn sparkline(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let top = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let bar = |count: u64| if count == 0 { ' ' } else { BARS[((count * 7).div_ceil(top)) as usize] };
        self.counts.iter().map(|&count| bar(count)).collect()
    }
}

fn tokens(text: &str, tokenizer: Option<&TextTokenizer>) -> Result<usize, DataError> {
    tokenizer.map_or_else(|| Ok(usize::from(estimate(text))), |tokenizer| tokenizer.count(text))
}

/// The beginning of a text, for messages.
fn start(text: &str) -> String {
    let mut start: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        start.push('…');
    }
    start
}
