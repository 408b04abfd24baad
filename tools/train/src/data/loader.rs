//! From sets to batches: what happens at a step is a function of options, data and step.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::batch::{BatchTexts, Groups, PairBatch, TextBatch, TokenBatch, VectorBatch};
use super::dice::{Dice, Purpose};
use super::error::DataError;
use super::example::{Chosen, Examples, Numbering, choose, shuffle_text};
use super::plan::{Plan, PlanOptions, Pool};
use super::record::{Record, Role};
use super::set::{DataSet, hash};
use super::token_rows::TokenRows;
use super::tokenizer::{PairFormat, Side, TextTokenizer};
use super::vectors::Vectors;

/// A set and how it is used.
#[derive(Debug)]
pub struct Part {
    set: DataSet,
    examples: Examples,
    weight: f64,
    numbering: Numbering,
    vectors: Option<Vectors>,
    tokens: Option<TokenRows>,
    /// The longest texts of queries and documents: beyond, texts are cut and so are all alike.
    longest: (u16, u16),
}

impl Part {
    /// `weight`: how often each example is used an epoch; ½ takes another half each time.
    ///
    /// # Errors
    /// [`DataError::TooManyRows`].
    pub fn new(set: DataSet, examples: Examples, weight: f64) -> Result<Self, DataError> {
        let numbering = Numbering::of(&set, examples).ok_or_else(|| DataError::TooManyRows {
            file: set.name().to_owned(),
            limit: u64::from(u32::MAX),
        })?;
        let longest = (u16::MAX, u16::MAX);
        Ok(Self { set, examples, weight, numbering, vectors: None, tokens: None, longest })
    }

    /// Puts a teacher's vectors beside the texts: raw little-endian `f32` of `dim` columns, a row for each row of the
    /// file. Several files stand side by side. With `skip_bad` all rows are looked at, and texts whose vectors are zero or
    /// not finite make no examples; without, such a row is an error once a batch comes upon it.
    ///
    /// # Errors
    /// [`DataError::Vectors`], [`DataError::File`].
    pub fn with_vectors(mut self, files: &[(PathBuf, usize)], skip_bad: bool) -> Result<Self, DataError> {
        let vectors = Vectors::open(files, self.set.report().rows)?;
        if skip_bad {
            let (mut bad, mut numbers) = (HashSet::new(), Vec::new());
            for record in 0..self.set.len() {
                numbers.clear();
                match vectors.read(u64::from(self.set.entry(record).row), &mut numbers) {
                    Err(DataError::BadVector { .. }) => drop(bad.insert(record)),
                    read => read?,
                }
            }
            self.numbering = self.numbering.without(&bad);
        }
        self.vectors = Some(vectors);
        Ok(self)
    }

    /// Puts a teacher's vectors of tokens beside the texts: the rows at `path`, of `dim` columns, and their ends beside.
    ///
    /// # Errors
    /// [`DataError::Vectors`], [`DataError::File`].
    pub fn with_tokens(mut self, path: &Path, dim: usize) -> Result<Self, DataError> {
        self.tokens = Some(TokenRows::open(path, dim, self.set.report().rows)?);
        Ok(self)
    }

    /// The set.
    #[must_use]
    pub fn set(&self) -> &DataSet {
        &self.set
    }

    fn lacks(&self, wanted: &'static str) -> DataError {
        let format = self.set.format().name();
        DataError::WrongFormat { file: self.set.name().to_owned(), format, wanted }
    }

    /// Examples of one pass through the set.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.numbering.len()
    }
}

impl Pool for Part {
    fn len(&self) -> usize {
        self.numbering.len()
    }

    fn weight(&self) -> f64 {
        self.weight
    }

    fn lengths(&self, example: u32) -> (u16, u16) {
        let (query, document) = self.set.entry(self.numbering.find(example).0).lengths;
        (document.min(self.longest.1), query.min(self.longest.0))
    }

    fn keys(&self, example: u32) -> [u64; 2] {
        let (record, part) = self.numbering.find(example);
        let query = self.set.entry(record).query;
        let positive = match self.examples {
            Examples::EachPositive { .. } => self.set.answers(record).get(part),
            _ => self.set.answers(record).first(),
        };
        // Of a record without answers, only the query may not come twice.
        [query, positive.copied().unwrap_or(query)]
    }
}

/// How texts become tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct TextFormat {
    /// Queries.
    pub query: Side,
    /// Documents.
    pub document: Side,
}

/// A drawn example.
struct Drawn {
    set: usize,
    record: Record,
    chosen: Chosen,
    query: u64,
    row: u32,
    /// Of the chosen documents, before their pieces are shuffled.
    hashes: Vec<u64>,
}

/// Makes batches.
///
/// Nothing is kept between steps but the plan of an epoch, which [`Loader::plan`] makes again from options, data and
/// epoch: a run that stops at a step goes on with the next one as if it had not stopped.
#[derive(Debug)]
pub struct Loader {
    parts: Vec<Part>,
    tokenizer: TextTokenizer,
    options: PlanOptions,
    /// How likely a document's text is cut into pieces and shuffled.
    shuffle_rate: f32,
}

impl Loader {
    /// Brings sets, tokenizer and options together.
    #[must_use]
    pub fn new(parts: Vec<Part>, tokenizer: TextTokenizer, options: PlanOptions) -> Self {
        Self { parts, tokenizer, options, shuffle_rate: 0.0 }
    }

    /// Shuffles pieces of documents' texts, each with this probability.
    #[must_use]
    pub fn with_shuffle_rate(mut self, rate: f32) -> Self {
        self.shuffle_rate = rate;
        self
    }

    /// Tells the longest texts, in tokens, so that longer ones count as equally long when batches are made.
    #[must_use]
    pub fn with_longest(mut self, query: usize, document: usize) -> Self {
        let cap = |tokens: usize| u16::try_from(tokens).unwrap_or(u16::MAX);
        for part in &mut self.parts {
            part.longest = (cap(query), cap(document));
        }
        self
    }

    /// The sets.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The batches of an epoch.
    ///
    /// # Errors
    /// [`DataError::NoBatch`] if there are none.
    pub fn plan(&self, epoch: u64) -> Result<Plan, DataError> {
        let pools: Vec<&dyn Pool> = self.parts.iter().map(|part| part as &dyn Pool).collect();
        let plan = Plan::new(&pools, &self.options, epoch);
        if plan.steps() == 0 {
            let examples = self.parts.iter().map(Part::examples).sum();
            return Err(DataError::NoBatch { batch: self.options.batch, examples });
        }
        Ok(plan)
    }

    /// A batch for an embedding or ColBERT model.
    ///
    /// # Errors
    /// [`DataError::NoStep`], [`DataError::Changed`], and those of [`TextTokenizer::texts`].
    pub fn text_batch(&self, plan: &Plan, step: usize, format: &TextFormat) -> Result<TextBatch, DataError> {
        let drawn = self.draw(plan, step)?;
        let queries: Vec<_> =
            drawn.iter().map(|d| (d.record.prompt.as_deref(), d.record.query.as_str())).collect();
        let queries = self.tokenizer.texts(&queries, &format.query)?;
        let documents: Vec<_> = documents(&drawn).map(|(_, text)| (None, text)).collect();
        let documents = self.tokenizer.texts(&documents, &format.document)?;
        Ok(TextBatch { queries, documents, groups: groups(&drawn), masked: self.masked(&drawn) })
    }

    /// The texts of [`Loader::text_batch`], in the same order.
    ///
    /// # Errors
    /// [`DataError::NoStep`], [`DataError::Changed`].
    pub fn texts(&self, plan: &Plan, step: usize) -> Result<BatchTexts, DataError> {
        let drawn = self.draw(plan, step)?;
        let queries = drawn.iter().map(|drawn| drawn.record.query.clone()).collect();
        Ok(BatchTexts { queries, documents: documents(&drawn).map(|(_, text)| text.to_owned()).collect() })
    }

    /// A batch for a reranker.
    ///
    /// # Errors
    /// [`DataError::NoStep`], [`DataError::Changed`], and those of [`TextTokenizer::pairs`].
    pub fn pair_batch(&self, plan: &Plan, step: usize, format: &PairFormat) -> Result<PairBatch, DataError> {
        let drawn = self.draw(plan, step)?;
        let pairs: Vec<_> = documents(&drawn).map(|(d, text)| (d.record.query.as_str(), text)).collect();
        Ok(PairBatch { pairs: self.tokenizer.pairs(&pairs, format)?, groups: groups(&drawn) })
    }

    /// A batch of texts with a teacher's vectors.
    ///
    /// # Errors
    /// [`DataError::NoStep`], [`DataError::Changed`], [`DataError::WrongFormat`] for a set without vectors,
    /// [`DataError::BadVector`], and those of [`TextTokenizer::texts`].
    pub fn vector_batch(&self, plan: &Plan, step: usize, side: &Side) -> Result<VectorBatch, DataError> {
        let drawn = self.draw(plan, step)?;
        let texts: Vec<_> =
            drawn.iter().map(|d| (d.record.prompt.as_deref(), d.record.query.as_str())).collect();
        let mut batch = VectorBatch { texts: self.tokenizer.texts(&texts, side)?, ..VectorBatch::default() };
        for drawn in &drawn {
            let set = &self.parts[drawn.set];
            let vectors = set.vectors.as_ref().ok_or_else(|| set.lacks("a teacher's vectors"))?;
            batch.dim = vectors.dim();
            vectors.read(u64::from(drawn.row), &mut batch.teacher)?;
        }
        Ok(batch)
    }

    /// A batch of texts with a teacher's vectors of their tokens.
    ///
    /// # Errors
    /// [`DataError::NoStep`], [`DataError::Changed`], [`DataError::WrongFormat`] for a set without such vectors,
    /// [`DataError::OtherTokens`], [`DataError::BadVector`], and those of [`TextTokenizer::texts`].
    pub fn token_batch(&self, plan: &Plan, step: usize, side: &Side) -> Result<TokenBatch, DataError> {
        let drawn = self.draw(plan, step)?;
        let texts: Vec<_> = drawn.iter().map(|d| (None, d.record.query.as_str())).collect();
        let texts = self.tokenizer.texts(&texts, side)?;
        let (mut teacher, mut dim) = (Vec::new(), 0);
        for (at, drawn) in drawn.iter().enumerate() {
            let set = &self.parts[drawn.set];
            let tokens = set.tokens.as_ref().ok_or_else(|| set.lacks("a teacher's vectors of tokens"))?;
            dim = tokens.dim();
            teacher.resize(texts.rows * texts.width * dim, 0.0);
            let cells = at * texts.width..(at + 1) * texts.width;
            let mut places = cells.filter(|cell| texts.counted[*cell] != 0);
            let mut same = true;
            tokens.read(u64::from(drawn.row), |id, vector| match places.next() {
                Some(cell) if texts.ids[cell] == id => {
                    teacher[cell * dim..(cell + 1) * dim].copy_from_slice(vector);
                }
                _ => same = false,
            })?;
            if !same || places.next().is_some() {
                let (file, row) = (tokens.name().to_owned(), u64::from(drawn.row));
                return Err(DataError::OtherTokens { file, row });
            }
        }
        Ok(TokenBatch { texts, teacher, dim })
    }

    fn draw(&self, plan: &Plan, step: usize) -> Result<Vec<Drawn>, DataError> {
        let (seed, epoch) = (self.options.seed, plan.epoch);
        let none = || DataError::NoStep { epoch, steps: plan.steps(), step };
        let mut all = Vec::with_capacity(self.options.batch);
        for &(set, example) in plan.batch(step).ok_or_else(none)? {
            let part = &self.parts[set as usize];
            let (record, number) = part.numbering.find(example);
            let entry = part.set.entry(record);
            let (query, row) = (entry.query, entry.row);
            let place = (u64::from(set), record as u64);
            let mut record = part.set.read(record)?;
            let chosen = choose(&record, part.examples, number, seed, epoch, place);
            let hashes = chosen.documents.iter().map(|&at| hash(&record.documents[at].text)).collect();
            if self.shuffle_rate > 0.0 {
                let mut dice = Dice::new(seed, Purpose::Shuffle, &[epoch, place.0, place.1, number as u64]);
                for &at in &chosen.documents {
                    let text = std::mem::take(&mut record.documents[at].text);
                    record.documents[at].text = shuffle_text(text, self.shuffle_rate, &mut dice);
                }
            }
            all.push(Drawn { set: set as usize, record, chosen, query, row, hashes });
        }
        Ok(all)
    }

    /// Documents that answer a query by what any row of any set says, and yet stand among its negatives.
    fn masked(&self, drawn: &[Drawn]) -> Vec<(usize, usize)> {
        let mut columns: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut owners = Vec::new();
        for (owner, drawn) in drawn.iter().enumerate() {
            for (&at, &hash) in drawn.chosen.documents.iter().zip(&drawn.hashes) {
                columns.entry(hash).or_default().push(owners.len());
                owners.push((owner, drawn.record.documents[at].role));
            }
        }
        let mut masked = Vec::new();
        for (row, drawn) in drawn.iter().enumerate() {
            let answers = self.parts.iter().flat_map(|part| part.set.known(drawn.query));
            for column in answers.filter_map(|answer| columns.get(&answer)).flatten() {
                let (owner, role) = owners[*column];
                if owner != row || role == Role::Negative {
                    masked.push((row, *column));
                }
            }
        }
        masked.sort_unstable();
        masked.dedup();
        masked
    }
}

fn documents(drawn: &[Drawn]) -> impl Iterator<Item = (&Drawn, &str)> {
    drawn
        .iter()
        .flat_map(|d| d.chosen.documents.iter().map(move |&at| (d, d.record.documents[at].text.as_str())))
}

fn groups(drawn: &[Drawn]) -> Groups {
    let mut groups = Groups::default();
    for drawn in drawn {
        let start = groups.labels.len();
        groups.labels.extend(&drawn.chosen.labels);
        groups.ranges.push(start..groups.labels.len());
    }
    groups
}
