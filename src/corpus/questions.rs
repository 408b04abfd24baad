//! Questions with the places of their answers: SQuAD, CMRC 2018, FineWeb-PosQ.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::Document;
use super::error::{CorpusError, Place, Problem};
use super::json_sets::{JsonFile, json_files};
use super::parquet::{Holds, Need, set_rows};

/// Texts, and questions that they answer.
///
/// | form | what is read |
/// |---|---|
/// | SQuAD 1.1 and 2.0, DRCD, CMRC 2018 in SQuAD's form | `{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", "answer_start"}]}]}]}]}`; questions without an answer (`is_impossible`) are left out, their texts are not |
/// | CMRC 2018's own | `[{"context_text", "title", "qas": [{"query_id", "query_text", "answers": ["…"]}]}]` |
/// | FineWeb-PosQ | JSON lines, an array, or the columns of Parquet, of `{"question", "content", "span": [from, to], "span_class": ["beginning", …]}`; rows without a question are texts only |
///
/// Each distinct text is there once, in the order of its first appearance; its id is `c` and its number. A text's title goes to its
/// metadata, so that positions count in the text alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuestionSet {
    /// The distinct texts.
    pub texts: Vec<Document>,
    /// The questions that have an answer.
    pub questions: Vec<Question>,
    /// Answers that do not stand where the file says. The place of the first occurrence was taken instead, or, of an answer that is
    /// not in the text, the one the file says.
    pub misplaced: usize,
    /// Questions without an answer, left out.
    pub unanswerable: usize,
}

/// A question and where its answer stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// From the file; in FineWeb-PosQ `q` and its number.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// Which of [`QuestionSet::texts`] answers it.
    pub text: usize,
    /// Where the first annotated answer begins, in characters (Unicode scalar values); in FineWeb-PosQ the part of the text that the
    /// question was made of.
    pub start: Option<u32>,
    /// Names of the parts that the answer touches, in FineWeb-PosQ.
    pub parts: Vec<String>,
}

impl QuestionSet {
    /// Reads a file in one of the forms above; gzip and zstd are unpacked. A folder is all its `.json` files in the order of their names,
    /// as SQuAD-PosQ is made of both parts of SQuAD 2.0; or its Parquet shards, of which `split` is read, else `test`, `dev` or
    /// `validation`, or the only one.
    ///
    /// Memory: the whole file several times over; files of more than 2 GiB, unpacked, are refused.
    ///
    /// # Errors
    /// [`CorpusError`] if a file cannot be read or has none of the forms, or if two questions have one id; [`CorpusError::Empty`] if there
    /// is no question; [`CorpusError::NoFiles`] for a folder of other files.
    pub fn open(path: impl AsRef<Path>, split: Option<&str>) -> Result<Self, CorpusError> {
        let path = path.as_ref();
        let mut set = Builder::default();
        if let Some(rows) = set_rows(path, split, &COLUMNS)? {
            set.parts(rows.into_iter().map(|(_, row)| row));
        } else {
            for file in json_files(path)? {
                set.file(&JsonFile::open(&file)?)?;
            }
        }
        set.finish(&path.display().to_string())
    }

    #[cfg(test)]
    fn of(file: &JsonFile) -> Result<Self, CorpusError> {
        let mut set = Builder::default();
        set.file(file)?;
        set.finish(file.name())
    }
}

impl Builder {
    fn file(&mut self, file: &JsonFile) -> Result<(), CorpusError> {
        match file.first_key().as_deref() {
            Some("data" | "version") => self.squad(file.whole()?),
            Some("question" | "content") => self.parts(file.records()?.into_iter()),
            _ if file.is_array() && file.mentions("context_text") => self.cmrc(file.whole()?),
            _ if file.mentions("\"paragraphs\"") => self.squad(file.whole()?),
            _ if file.mentions("\"span_class\"") => self.parts(file.records()?.into_iter()),
            _ => {
                let needed = "data (SQuAD), context_text (CMRC 2018) or question and content (FineWeb-PosQ)";
                let problem = Problem::MissingField { field: needed.to_owned(), present: Vec::new() };
                return Err(file.problem(None, problem));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Squad {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    #[serde(default)]
    title: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    id: Value,
    question: String,
    #[serde(default)]
    is_impossible: bool,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    answer_start: i64,
}

#[derive(Deserialize)]
struct CmrcText {
    context_text: String,
    #[serde(default)]
    title: String,
    qas: Vec<CmrcAsked>,
}

#[derive(Deserialize)]
struct CmrcAsked {
    query_id: String,
    query_text: String,
    #[serde(default)]
    answers: Vec<String>,
}

/// The columns of FineWeb-PosQ that are read.
const COLUMNS: [Need; 4] = [
    Need { names: &["content"], holds: Holds::Text, always: true },
    Need { names: &["question"], holds: Holds::Text, always: false },
    Need { names: &["span"], holds: Holds::Numbers, always: false },
    Need { names: &["span_class"], holds: Holds::Texts, always: false },
];

/// A row of FineWeb-PosQ.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    question: Option<String>,
    content: String,
    #[serde(default)]
    span: Option<Vec<u32>>,
    #[serde(default)]
    span_class: Option<Vec<String>>,
}

#[derive(Default)]
struct Builder {
    set: QuestionSet,
    known: HashMap<String, usize>,
    /// Rows of FineWeb-PosQ read, for their questions' ids.
    rows: usize,
}

impl Builder {
    fn finish(self, file: &str) -> Result<QuestionSet, CorpusError> {
        if self.set.questions.is_empty() {
            let (file, what) = (file.to_owned(), "answered question");
            return Err(CorpusError::Empty { file, what, skipped: self.set.unanswerable as u64 });
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.set.questions.iter().find(|question| !seen.insert(question.id.as_str())) {
            let problem = Problem::RepeatedId { id: twice.id.clone() };
            return Err(CorpusError::Record { at: Place { file: file.to_owned(), line: None }, problem });
        }
        Ok(self.set)
    }

    fn squad(&mut self, file: Squad) {
        for Article { title, paragraphs } in file.data {
            for Paragraph { context, qas } in paragraphs {
                let text = self.text(context, &title);
                for asked in qas {
                    let id = asked.id.as_str().map_or_else(|| asked.id.to_string(), str::to_owned);
                    let answer = (!asked.is_impossible).then(|| asked.answers.into_iter().next()).flatten();
                    let answer = answer.map(|answer| (answer.text, u32::try_from(answer.answer_start).ok()));
                    self.question(id, asked.question, text, answer);
                }
            }
        }
    }

    fn cmrc(&mut self, texts: Vec<CmrcText>) {
        for CmrcText { context_text, title, qas } in texts {
            let text = self.text(context_text, &title);
            for CmrcAsked { query_id, query_text, answers } in qas {
                let answer = answers.into_iter().next().map(|answer| (answer, None));
                self.question(query_id, query_text, text, answer);
            }
        }
    }

    fn parts(&mut self, rows: impl Iterator<Item = Row>) {
        for row in rows {
            let at = self.rows;
            self.rows += 1;
            let text = self.text(row.content, "");
            let Some(question) = row.question.filter(|question| !question.trim().is_empty()) else {
                continue;
            };
            let start = row.span.and_then(|span| span.first().copied());
            let parts = row.span_class.unwrap_or_default();
            self.set.questions.push(Question { id: format!("q{at}"), question, text, start, parts });
        }
    }

    fn text(&mut self, text: String, title: &str) -> usize {
        if let Some(&at) = self.known.get(&text) {
            return at;
        }
        let at = self.set.texts.len();
        let mut metadata = Map::new();
        if !title.is_empty() {
            metadata.insert("title".to_owned(), Value::String(title.to_owned()));
        }
        self.known.insert(text.clone(), at);
        self.set.texts.push(Document { id: format!("c{at}"), title: String::new(), text, metadata });
        at
    }

    /// `answer` is what it says and, if the file tells, where it begins.
    fn question(&mut self, id: String, question: String, text: usize, answer: Option<(String, Option<u32>)>) {
        let Some((answer, told)) = answer.filter(|_| !question.trim().is_empty()) else {
            self.set.unanswerable += 1;
            return;
        };
        let context = &self.set.texts[text].text;
        let is_there = |start: u32| {
            let at = context.char_indices().nth(start as usize).map_or(context.len(), |(at, _)| at);
            context[at..].starts_with(&answer)
        };
        let first = || context.find(&answer).map(|at| context[..at].chars().count() as u32);
        let start = match told {
            Some(start) if is_there(start) => Some(start),
            _ => {
                let found = first();
                self.set.misplaced += usize::from(told.is_some() || found.is_none());
                found.or(told)
            }
        };
        self.set.questions.push(Question { id, question, text, start, parts: Vec::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<QuestionSet, CorpusError> {
        QuestionSet::of(&JsonFile::of_text("set.json", text))
    }

    const SQUAD: &str = r#"{"version": "v2.0", "data": [{"title": "Tides", "paragraphs": [
        {"context": "Die Gezeiten hängen vom Mond ab. Der Mond ist groß.", "qas": [
            {"id": "1", "question": "Wovon?", "answers": [{"text": "Mond", "answer_start": 24}], "is_impossible": false},
            {"id": "2", "question": "Was?", "answers": [], "is_impossible": true},
            {"id": "3", "question": "Wie?", "answers": [{"text": "groß", "answer_start": 7}]},
            {"id": 4, "question": "Wo?", "answers": [{"text": "nirgends", "answer_start": 7}]}]},
        {"context": "Die Gezeiten hängen vom Mond ab. Der Mond ist groß.", "qas": []},
        {"context": "Niemand fragt danach.", "qas": []}]}]}"#;

    #[test]
    fn squads_answers_are_placed_in_characters() {
        let set = read(SQUAD).unwrap();
        assert_eq!((set.texts.len(), set.unanswerable, set.misplaced), (2, 1, 2));
        let starts: Vec<_> =
            set.questions.iter().map(|question| (question.id.as_str(), question.start)).collect();
        assert_eq!(starts, [("1", Some(24)), ("3", Some(46)), ("4", Some(7))]);
        assert_eq!(set.texts[0].metadata["title"], "Tides");
        assert_eq!(set.texts[0].full_text(), set.texts[0].text);
    }

    #[test]
    fn cmrcs_own_form_is_searched_for_its_answers() {
        let set = read(
            r#"[{"context_id": "T", "context_text": "月亮引起潮汐。", "title": "潮", "qas": [
                {"query_id": "T_0", "query_text": "什么引起？", "answers": ["潮汐", "月亮"]},
                {"query_id": "T_1", "query_text": "谁？", "answers": ["太阳"]}]}]"#,
        )
        .unwrap();
        let starts: Vec<_> = set.questions.iter().map(|question| question.start).collect();
        assert_eq!((starts, set.misplaced), (vec![Some(4), None], 1));
    }

    #[test]
    fn fineweb_rows_bring_their_parts() {
        let rows = concat!(
            r#"{"question": "Why?", "content": "a b c", "span": [2, 3], "span_class": ["beginning", "middle"]}"#,
            "\n",
            r#"{"question": null, "content": "only a text", "span_class": null}"#,
            "\n",
            r#"{"question": "Who?", "content": "a b c", "span": [4, 5], "span_class": ["end"]}"#,
            "\n"
        );
        let array = format!("[{}]", rows.trim().replace('\n', ","));
        for text in [rows, &array] {
            let set = read(text).unwrap();
            assert_eq!((set.texts.len(), set.questions.len()), (2, 2));
            let first = &set.questions[0];
            assert_eq!((first.start, first.parts.len(), first.text), (Some(2), 2, 0));
            assert_eq!(set.questions[1].parts, ["end"]);
        }
    }

    #[test]
    fn a_folder_is_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let error = QuestionSet::open(folder.path(), None).unwrap_err();
        assert!(matches!(error, CorpusError::NoFiles { .. }), "{error}");
        write("train.json", SQUAD);
        write("notes.txt", "no set");
        let ids = ["\"1\"", "\"3\"", "\"id\": 4"].into_iter().zip(["\"a\"", "\"b\"", "\"id\": 5"]);
        write("dev.json", &ids.fold(SQUAD.to_owned(), |text, (from, to)| text.replace(from, to)));
        let set = QuestionSet::open(folder.path(), None).unwrap();
        assert_eq!((set.texts.len(), set.questions.len()), (2, 6));
        assert_eq!(set.questions[0].id, "a", "files are read in the order of their names");
        write("again.json", SQUAD);
        assert!(QuestionSet::open(folder.path(), None).unwrap_err().to_string().contains("was there before"));
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for (text, words) in [
            ("{\"a\": 1}", "SQuAD"),
            ("", "SQuAD"),
            ("{\"data\": [}", "line 1"),
            ("{\"data\": []}", "no answered question"),
            ("{\"data\": [{\"paragraphs\": [{\"context\": 1, \"qas\": []}]}]}", "expected a string"),
            ("{\"question\": \"q\", \"content\": \"c\"}\n{\"question\": 7}", "set.json:2"),
            (&SQUAD.replace("\"id\": \"3\"", "\"id\": \"1\""), "the id \"1\" was there before"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("set.json") && error.contains(words), "{error}");
        }
    }
}
