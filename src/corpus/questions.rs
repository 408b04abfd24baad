//! Questions with the places of their answers: SQuAD, CMRC 2018, FineWeb-PosQ.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::Document;
use super::error::{CorpusError, Problem};
use super::json_sets::JsonFile;

/// Texts, and questions that they answer.
///
/// | form | what is read |
/// |---|---|
/// | SQuAD 1.1 and 2.0, DRCD, CMRC 2018 in SQuAD's form | `{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", "answer_start"}]}]}]}]}`; questions without an answer (`is_impossible`) are left out, their texts are not |
/// | CMRC 2018's own | `[{"context_text", "title", "qas": [{"query_id", "query_text", "answers": ["…"]}]}]` |
/// | FineWeb-PosQ | JSON lines or an array of `{"question", "content", "span": [from, to], "span_class": ["beginning", …]}`; rows without a question are texts only |
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
    /// Reads a file in one of the forms above; gzip and zstd are unpacked.
    ///
    /// Memory: the whole file several times over; files of more than 2 GiB, unpacked, are refused.
    ///
    /// # Errors
    /// [`CorpusError`] if the file cannot be read or has none of the forms; [`CorpusError::Empty`] if it has no question.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CorpusError> {
        Self::of(&JsonFile::open(path.as_ref())?)
    }

    fn of(file: &JsonFile) -> Result<Self, CorpusError> {
        let mut set = Builder::default();
        match file.first_key().as_deref() {
            Some("data" | "version") => set.squad(file.whole()?),
            Some("question" | "content") => set.parts(file.records()?),
            _ if file.is_array() && file.mentions("context_text") => set.cmrc(file.whole()?),
            _ if file.mentions("\"paragraphs\"") => set.squad(file.whole()?),
            _ if file.mentions("\"span_class\"") => set.parts(file.records()?),
            _ => {
                let needed = "data (SQuAD), context_text (CMRC 2018) or question and content (FineWeb-PosQ)";
                let problem = Problem::MissingField { field: needed.to_owned(), present: Vec::new() };
                return Err(file.problem(None, problem));
            }
        }
        if set.set.questions.is_empty() {
            let skipped = set.set.unanswerable as u64;
            return Err(CorpusError::Empty {
                file: file.name().to_owned(),
                what: "answered question",
                skipped,
            });
        }
        Ok(set.set)
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
}

impl Builder {
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

    fn parts(&mut self, rows: Vec<Row>) {
        for (at, row) in rows.into_iter().enumerate() {
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
    fn what_is_none_of_them_is_refused() {
        for (text, words) in [
            ("{\"a\": 1}", "SQuAD"),
            ("", "SQuAD"),
            ("{\"data\": [}", "line 1"),
            ("{\"data\": []}", "no answered question"),
            ("{\"data\": [{\"paragraphs\": [{\"context\": 1, \"qas\": []}]}]}", "expected a string"),
            ("{\"question\": \"q\", \"content\": \"c\"}\n{\"question\": 7}", "set.json:2"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("set.json") && error.contains(words), "{error}");
        }
    }
}
