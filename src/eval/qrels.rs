//! Which documents answer which query, and how well.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::path::Path;

use super::error::EvalError;
use super::lines::{self, Lines};

/// Judgements: a grade for some pairs of query and document. 1 and more is relevant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qrels {
    queries: BTreeMap<String, HashMap<String, i32>>,
}

impl Qrels {
    /// No judgements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file; see [`Qrels::read`].
    ///
    /// # Errors
    /// [`EvalError::Open`], and as [`Qrels::read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        Self::read(lines::open(path)?, &path.display().to_string())
    }

    /// Reads judgements in TREC form (`query iteration document grade`, separated by white space) or in BEIR form
    /// (`query-id`, `corpus-id`, `score`, separated by tabs, with or without that header). `name` stands for
    /// the file in messages.
    ///
    /// # Errors
    /// Those of [`EvalError`] that name a file and a line; [`EvalError::Empty`].
    ///
    /// ```
    /// let qrels = lateen::eval::Qrels::read(&b"query-id\tcorpus-id\tscore\nq1\td7\t2\n"[..], "example")?;
    /// assert_eq!(qrels.grade("q1", "d7"), Some(2));
    /// # Ok::<(), lateen::eval::EvalError>(())
    /// ```
    pub fn read(reader: impl BufRead, name: &str) -> Result<Self, EvalError> {
        let mut lines = Lines::new(reader, name);
        let mut qrels = Self::new();
        let mut beir = None;
        loop {
            let first = beir.is_none();
            let Some(line) = lines.next()? else { break };
            let is_beir = *beir.get_or_insert_with(|| line.split('\t').count() == 3);
            let cells: Vec<&str> =
                if is_beir { line.split('\t').collect() } else { line.split_whitespace().collect() };
            let cell = match (is_beir, cells.as_slice()) {
                (true, [query, document, grade]) => Ok((*query, *document, *grade)),
                (false, [query, _, document, grade]) => Ok((*query, *document, *grade)),
                (_, cells) => Err(cells.len()),
            };
            let (query, document, grade) = match cell {
                Ok((query, document, grade)) => {
                    (query.to_owned(), document.to_owned(), grade.trim().to_owned())
                }
                Err(found) => {
                    let expected = "3 (BEIR, separated by tabs) or 4 (TREC)";
                    return Err(EvalError::Columns { file: lines.file, line: lines.number, found, expected });
                }
            };
            match grade.parse::<i32>() {
                Ok(grade) => {
                    if qrels.insert(&query, &document, grade).is_some_and(|before| before != grade) {
                        let (file, line) = (lines.file, lines.number);
                        return Err(EvalError::Conflict { file, line, query, document });
                    }
                }
                // A header: the third column has a name instead of a number.
                Err(_) if first && is_beir => {}
                Err(_) => {
                    let (file, line, needed) = (lines.file, lines.number, "a whole number");
                    return Err(EvalError::Number { file, line, field: "grade", found: grade, needed });
                }
            }
        }
        if qrels.queries.is_empty() { Err(EvalError::Empty { file: lines.file }) } else { Ok(qrels) }
    }

    /// Sets a grade, and returns the one before.
    pub fn insert(&mut self, query: &str, document: &str, grade: i32) -> Option<i32> {
        if !self.queries.contains_key(query) {
            self.queries.insert(query.to_owned(), HashMap::new());
        }
        self.queries.get_mut(query)?.insert(document.to_owned(), grade)
    }

    /// The grade of a document, if it was judged.
    #[must_use]
    pub fn grade(&self, query: &str, document: &str) -> Option<i32> {
        self.queries.get(query)?.get(document).copied()
    }

    /// The ids of the judged queries, in order.
    pub fn queries(&self) -> impl ExactSizeIterator<Item = &str> {
        self.queries.keys().map(String::as_str)
    }

    /// The judgements of a query, in the order of document ids; none for an unknown one.
    pub fn judgements(&self, query: &str) -> impl ExactSizeIterator<Item = (&str, i32)> + use<'_> {
        let grades = self.queries.get(query).into_iter().flatten();
        let mut grades: Vec<_> = grades.map(|(document, &grade)| (document.as_str(), grade)).collect();
        grades.sort_unstable();
        grades.into_iter()
    }

    /// How many pairs are judged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries.values().map(HashMap::len).sum()
    }

    /// Whether nothing is judged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    pub(super) fn of_query(&self, query: &str) -> Option<&HashMap<String, i32>> {
        self.queries.get(query)
    }

    /// Writes TREC form, in the order of query and document ids.
    ///
    /// # Errors
    /// [`EvalError::Unwritable`] for ids with white space, [`EvalError::Write`].
    pub fn write_trec(&self, mut out: impl Write) -> Result<(), EvalError> {
        for query in self.queries() {
            super::run::check_word("query id", query)?;
            for (document, grade) in self.judgements(query) {
                super::run::check_word("document id", document)?;
                writeln!(out, "{query} 0 {document} {grade}").map_err(EvalError::Write)?;
            }
        }
        out.flush().map_err(EvalError::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Qrels, EvalError> {
        Qrels::read(text, "q.tsv")
    }

    #[test]
    fn both_forms_are_told_apart() {
        let beir =
            read(b"\xef\xbb\xbfquery-id\tcorpus-id\tscore\r\nq 1\td 1\t2\r\n\r\nq 1\td2\t0\r\n").unwrap();
        assert_eq!(beir.judgements("q 1").collect::<Vec<_>>(), [("d 1", 2), ("d2", 0)]);
        assert_eq!((beir.len(), beir.grade("q 1", "d3"), beir.grade("x", "d2")), (2, None, None));
        assert_eq!(read(b"q\td\t1\n").unwrap().grade("q", "d"), Some(1));
        for trec in [&b"q 0 d -1\nq 0 e 3"[..], b"q\t0\td\t-1\nq  Q0\te\t 3\n"] {
            let trec = read(trec).unwrap();
            assert_eq!(trec.judgements("q").collect::<Vec<_>>(), [("d", -1), ("e", 3)]);
            let mut written = Vec::new();
            trec.write_trec(&mut written).unwrap();
            assert_eq!(written, b"q 0 d -1\nq 0 e 3\n");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            (&b""[..], "q.tsv: no line in it; check that it is the right file"),
            (b"query-id\tcorpus-id\tscore\n", "q.tsv: no line in it; check that it is the right file"),
            (
                b"q\td\t1\nq\td\n",
                "q.tsv:2: 2 columns where 3 (BEIR, separated by tabs) or 4 (TREC) are needed",
            ),
            (b"q d 1\n", "q.tsv:1: 3 columns where 3 (BEIR, separated by tabs) or 4 (TREC) are needed"),
            (b"q\td\t1\nq\te\t0.5\n", "q.tsv:2: grade is \"0.5\", not a whole number"),
            (b"q 0 d yes\n", "q.tsv:1: grade is \"yes\", not a whole number"),
            (b"q\td\t1\nq\td\t2\n", "q.tsv:2: query \"q\" has two grades for document \"d\"; keep one"),
            (b"q\td\t1\n\nq\t\xff\t2\n", "q.tsv:3: not UTF-8; convert the file (iconv does)"),
            (b"\x1f\x8b\x08", "q.tsv is compressed; unpack it first (gzip -d, zstd -d)"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        assert_eq!(read(b"q\td\t1\nq\td\t1\n").unwrap().len(), 1);
        assert!(matches!(read(&[b'x'; 70_000]), Err(EvalError::LongLine { line: 1, .. })));
        assert!(matches!(Qrels::open("/no/such/file"), Err(EvalError::Open { .. })));
    }
}
