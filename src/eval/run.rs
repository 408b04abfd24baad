//! What a system ranked for each query.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Write};
use std::path::Path;

use super::error::EvalError;
use super::lines::{self, Lines};

/// A document in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The document's id.
    pub document: String,
    /// Larger is better; finite.
    pub score: f32,
}

/// A ranking per query: by score downwards, then by document id downwards, as `trec_eval` orders.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    queries: BTreeMap<String, Vec<Ranked>>,
}

impl Run {
    /// No rankings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a ranking; the scores order it.
    ///
    /// # Errors
    /// [`EvalError::QueryTwice`], [`EvalError::RankedTwice`], [`EvalError::Score`].
    pub fn insert(
        &mut self,
        query: impl Into<String>,
        hits: impl IntoIterator<Item = (String, f32)>,
    ) -> Result<(), EvalError> {
        let (query, mut ranking) = (query.into(), Vec::new());
        for (document, score) in hits {
            if !score.is_finite() {
                return Err(EvalError::Score { query, document, score });
            }
            ranking.push(Ranked { document, score });
        }
        self.insert_checked(query, ranking)
    }

    /// Adds a ranking that is in order already, and keeps that order where scores are equal or rising: such a score
    /// becomes the next smaller number after the one before it.
    ///
    /// This is how a system's own order of ties, such as by ascending id, survives evaluators, all of which
    /// order by score again.
    ///
    /// # Errors
    /// As [`Run::insert`].
    ///
    /// ```
    /// let mut run = lateen::eval::Run::new();
    /// run.insert_ranked("q", [("a".to_owned(), 1.0), ("b".to_owned(), 1.0)])?;
    /// assert_eq!(run.ranking("q")[0].document, "a");
    /// # Ok::<(), lateen::eval::EvalError>(())
    /// ```
    pub fn insert_ranked(
        &mut self,
        query: impl Into<String>,
        hits: impl IntoIterator<Item = (String, f32)>,
    ) -> Result<(), EvalError> {
        let mut ceiling = f32::INFINITY;
        let falling = hits.into_iter().map(|(document, score)| {
            if score.is_finite() {
                ceiling = score.min(ceiling.next_down());
                (document, ceiling)
            } else {
                (document, score)
            }
        });
        self.insert(query, falling)
    }

    fn insert_checked(&mut self, query: String, mut ranking: Vec<Ranked>) -> Result<(), EvalError> {
        if self.queries.contains_key(&query) {
            return Err(EvalError::QueryTwice { query });
        }
        let mut seen = HashSet::with_capacity(ranking.len());
        if let Some(twice) = ranking.iter().find(|ranked| !seen.insert(ranked.document.as_str())) {
            let document = twice.document.clone();
            return Err(EvalError::RankedTwice { place: "run".to_owned(), query, document });
        }
        ranking.sort_unstable_by(trec_order);
        self.queries.insert(query, ranking);
        Ok(())
    }

    /// The ids of the queries, in order.
    pub fn queries(&self) -> impl ExactSizeIterator<Item = &str> {
        self.queries.keys().map(String::as_str)
    }

    /// The ranking of a query, best first; empty for an unknown one.
    #[must_use]
    pub fn ranking(&self, query: &str) -> &[Ranked] {
        self.queries.get(query).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_query(&self, query: &str) -> Option<&[Ranked]> {
        self.queries.get(query).map(Vec::as_slice)
    }

    /// Reads a file; see [`Run::read_trec`].
    ///
    /// # Errors
    /// [`EvalError::Open`], and as [`Run::read_trec`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        Self::read_trec(lines::open(path)?, &path.display().to_string())
    }

    /// Reads `query Q0 document rank score tag`, separated by white space. Ranks and tags are ignored. `name`
    /// stands for the file in messages.
    ///
    /// # Errors
    /// Those of [`EvalError`] that name a file and a line; [`EvalError::Empty`].
    pub fn read_trec(reader: impl BufRead, name: &str) -> Result<Self, EvalError> {
        let mut lines = Lines::new(reader, name);
        let mut queries: BTreeMap<String, Vec<(Ranked, u64)>> = BTreeMap::new();
        while let Some(line) = lines.next()? {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let [query, _, document, _, score, _] = cells[..] else {
                let (found, expected) = (cells.len(), "6 (query Q0 document rank score tag)");
                return Err(EvalError::Columns { file: lines.file, line: lines.number, found, expected });
            };
            // By way of f64, as `trec_eval` does it.
            let number = score.parse::<f64>().map_or(f32::NAN, |score| score as f32);
            if !number.is_finite() {
                let (found, needed) = (score.to_owned(), "a finite number");
                return Err(EvalError::Number {
                    file: lines.file,
                    line: lines.number,
                    field: "score",
                    found,
                    needed,
                });
            }
            let ranked = Ranked { document: document.to_owned(), score: number };
            if !queries.contains_key(query) {
                queries.insert(query.to_owned(), Vec::new());
            }
            let query = query.to_owned();
            let number = lines.number;
            queries.entry(query).or_default().push((ranked, number));
        }
        if queries.is_empty() {
            return Err(EvalError::Empty { file: lines.file });
        }
        let mut run = Self::new();
        for (query, ranking) in queries {
            check_distinct(&query, &ranking, &lines.file)?;
            run.insert_checked(query, ranking.into_iter().map(|(ranked, _)| ranked).collect())?;
        }
        Ok(run)
    }

    /// Writes `query Q0 document rank score tag`, ranks from 1. Scores are written with as many digits as bring the same
    /// `f32` back.
    ///
    /// # Errors
    /// [`EvalError::Unwritable`] for ids or a tag with white space, [`EvalError::Write`].
    pub fn write_trec(&self, mut out: impl Write, tag: &str) -> Result<(), EvalError> {
        check_word("tag", tag)?;
        for (query, ranking) in &self.queries {
            check_word("query id", query)?;
            for (rank, Ranked { document, score }) in ranking.iter().enumerate() {
                check_word("document id", document)?;
                writeln!(out, "{query} Q0 {document} {} {score} {tag}", rank + 1)
                    .map_err(EvalError::Write)?;
            }
        }
        out.flush().map_err(EvalError::Write)
    }
}

fn trec_order(a: &Ranked, b: &Ranked) -> Ordering {
    let by_score = b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal);
    by_score.then_with(|| b.document.as_bytes().cmp(a.document.as_bytes()))
}

fn check_distinct(query: &str, ranking: &[(Ranked, u64)], file: &str) -> Result<(), EvalError> {
    let mut seen = HashSet::with_capacity(ranking.len());
    match ranking.iter().find(|(ranked, _)| !seen.insert(ranked.document.as_str())) {
        Some((Ranked { document, .. }, line)) => Err(EvalError::RankedTwice {
            place: format!("{file}:{line}"),
            query: query.to_owned(),
            document: document.clone(),
        }),
        None => Ok(()),
    }
}

pub(super) fn check_word(what: &'static str, id: &str) -> Result<(), EvalError> {
    // At the start of a file the mark would not be read back as part of the id.
    if id.is_empty() || id.starts_with('\u{feff}') || id.contains(char::is_whitespace) {
        return Err(EvalError::Unwritable { what, id: id.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(hits: &[(&str, f32)]) -> Vec<(String, f32)> {
        hits.iter().map(|&(document, score)| (document.to_owned(), score)).collect()
    }

    fn ids(run: &Run, query: &str) -> Vec<String> {
        run.ranking(query).iter().map(|ranked| ranked.document.clone()).collect()
    }

    #[test]
    fn ties_fall_by_id_unless_the_order_is_given() {
        let tied = [("a", 1.0), ("é", 1.0), ("b", 1.0), ("c", 2.0), ("z", -0.0), ("y", 0.0)];
        let mut run = Run::new();
        run.insert("scores", hits(&tied)).unwrap();
        assert_eq!(ids(&run, "scores"), ["c", "é", "b", "a", "z", "y"]);
        run.insert_ranked("ranked", hits(&tied)).unwrap();
        assert_eq!(ids(&run, "ranked"), ["a", "é", "b", "c", "z", "y"]);
        assert!(run.ranking("ranked").windows(2).all(|pair| pair[0].score > pair[1].score));
        assert!(run.ranking("none").is_empty());
    }

    #[test]
    fn a_written_run_reads_back_the_same() {
        let mut run = Run::new();
        run.insert_ranked(
            "q2",
            hits(&[("a", 0.1), ("b", 0.1), ("c", 1e-30), ("d", -3.5e20), ("e", -3.5e20)]),
        )
        .unwrap();
        run.insert("q1", hits(&[("x", 16_777_217.0), ("y", 0.3)])).unwrap();
        let mut file = Vec::new();
        run.write_trec(&mut file, "mine").unwrap();
        assert!(file.starts_with(b"q1 Q0 x 1 16777216 mine\nq1 Q0 y 2 0.3 mine\nq2 Q0 a 1 0.1 mine\n"));
        assert_eq!(Run::read_trec(&file[..], "run").unwrap(), run);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            (&b""[..], "r: no line in it; check that it is the right file"),
            (b"q Q0 d 1 0.5\n", "r:1: 5 columns where 6 (query Q0 document rank score tag) are needed"),
            (b"q Q0 d 1 0.5 t\nq Q0 e 1 NaN t\n", "r:2: score is \"NaN\", not a finite number"),
            (b"q Q0 d 1 1e99 t\n", "r:1: score is \"1e99\", not a finite number"),
            (b"q Q0 d 1 x t\n", "r:1: score is \"x\", not a finite number"),
            (
                b"q Q0 d 1 2 t\np Q0 d 1 2 t\nq Q0 d 2 1 t\n",
                "r:3: query \"q\" ranks document \"d\" twice; keep one",
            ),
        ] {
            assert_eq!(Run::read_trec(text, "r").unwrap_err().to_string(), message);
        }
        let mut run = Run::new();
        assert!(matches!(run.insert("q", hits(&[("a", f32::NAN)])), Err(EvalError::Score { .. })));
        assert!(matches!(
            run.insert_ranked("q", hits(&[("a", f32::INFINITY)])),
            Err(EvalError::Score { .. })
        ));
        assert!(matches!(
            run.insert("q", hits(&[("a", 1.0), ("a", 2.0)])),
            Err(EvalError::RankedTwice { .. })
        ));
        run.insert("q", hits(&[("a b", 1.0)])).unwrap();
        assert!(matches!(run.insert("q", []), Err(EvalError::QueryTwice { .. })));
        let unwritable = run.write_trec(Vec::new(), "t").unwrap_err();
        assert_eq!(
            unwritable.to_string(),
            "the document id \"a b\" is empty, begins with a byte-order mark or has white space, which a TREC file cannot hold"
        );
        assert!(matches!(run.write_trec(Vec::new(), ""), Err(EvalError::Unwritable { what: "tag", .. })));
        let marked = Run::read_trec(&b" \xef\xbb\xbfq Q0 d 1 1 t"[..], "r").unwrap();
        let told = marked.write_trec(Vec::new(), "t").unwrap_err();
        assert!(matches!(told, EvalError::Unwritable { what: "query id", .. }), "{told}");
    }
}
