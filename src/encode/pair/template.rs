//! How a query and a document become the text that a decoder reads.

use serde::{Deserialize, Serialize};

use super::super::Activation;

/// What a decoder reads for a query and a document, and which of its next tokens says how well they fit.
///
/// ```text
/// head… │ query │ separator │ document │ tail…
/// fixed │ cut   │ fixed     │ cut      │ fixed
///         └──── max_tokens ───────────┘           (fixed parts count too if `counts_fixed`)
/// ```
///
/// The tail holds the question, and after it the answer is read: it is never cut. Each part is tokenised by itself and
/// without the tokenizer's own marks; `joined` makes one text of query, separator and document. A model directory may
/// state a template in `lateen.json` under `judge.template`, by name or whole.
///
/// ```
/// use lateen::encode::PairTemplate;
/// let template = PairTemplate::named("qwen3-reranker").unwrap();
/// assert_eq!((template.positive.as_str(), template.negative.as_deref()), ("yes", Some("no")));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PairTemplate {
    /// Put the tokenizer's begin-of-text token first, if it has one that is not its padding.
    pub begin: bool,
    /// Put the tokenizer's end-of-text token last, if it has one.
    pub end: bool,
    /// Texts before the query, each tokenised by itself.
    pub head: Vec<String>,
    /// The query's text; `{query}` and `{instruction}` stand for what is given.
    pub query: String,
    /// The query's text where there is an instruction, if that differs.
    pub query_with_instruction: Option<String>,
    /// Between query and document.
    pub separator: String,
    /// The document's text; it ends with `{document}`.
    pub document: String,
    /// Texts after the document, each tokenised by itself.
    pub tail: Vec<String>,
    /// Whether query, separator and document are tokenised as one text.
    pub joined: bool,
    /// Whether head and tail count towards `max_tokens`.
    pub counts_fixed: bool,
    /// The part of `max_tokens` that a query may take where documents are cut and not sliced.
    pub query_share: f32,
    /// The instruction where none is given.
    pub instruction: Option<String>,
    /// The text whose first token says that the document fits.
    pub positive: String,
    /// The text whose first token says that it does not; without one the score is the positive token's logit.
    pub negative: Option<String>,
    /// What turns the score into the one the model's authors show.
    pub activation: Activation,
    /// The most tokens, where the caller states none.
    pub max_tokens: usize,
}

/// The prompt of FlagEmbedding's decoder rerankers.
const ASK_YES_NO: &str = "Given a query A and a passage B, determine whether the passage contains an answer to the \
     query by providing a prediction of either 'Yes' or 'No'.";
/// The prompt of its lightweight ones.
const ASK_PREDICT: &str = "Predict whether passage B contains an answer to query A.";
const QWEN3_HEAD: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query \
     and the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
const QWEN3_TAIL: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
const QWEN3_INSTRUCTION: &str = "Given a web search query, retrieve relevant passages that answer the query";
const MXBAI_HEAD: &str = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.\
     <|im_end|>\n<|im_start|>user\n";
const MXBAI_TASK: &str = "You are a search relevance expert who evaluates how well documents match search queries. \
     For each query-document pair, carefully analyze the semantic relationship between them, then provide your \
     binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:";
const MXBAI_TAIL: &str = "<|im_end|>\n<|im_start|>assistant\n";

impl Default for PairTemplate {
    /// `{query}`, a line feed, `{document}`, within 1024 tokens.
    fn default() -> Self {
        Self {
            begin: false,
            end: false,
            head: Vec::new(),
            query: "{query}".to_owned(),
            query_with_instruction: None,
            separator: "\n".to_owned(),
            document: "{document}".to_owned(),
            tail: Vec::new(),
            joined: false,
            counts_fixed: true,
            query_share: 0.75,
            instruction: None,
            positive: "Yes".to_owned(),
            negative: None,
            activation: Activation::Sigmoid,
            max_tokens: 1024,
        }
    }
}

impl PairTemplate {
    /// The names that [`PairTemplate::named`] knows.
    pub const NAMES: [&str; 6] =
        ["bge-llm", "bge-lightweight", "qwen3-reranker", "mxbai-rerank-v2", "rag-retrieval", "monot5"];

    /// A template that is in use, by the name of what made it known:
    ///
    /// | name | models | score |
    /// |---|---|---|
    /// | `bge-llm` | bge-reranker-v2-gemma and -minicpm-layerwise | logit of `Yes` |
    /// | `bge-lightweight` | bge-reranker-v2.5-gemma2-lightweight | that of a layer |
    /// | `qwen3-reranker` | Qwen3-Reranker, with an instruction | logit of `yes` less that of `no` |
    /// | `mxbai-rerank-v2` | mxbai-rerank-v2, with or without an instruction | logit of `1` less that of `0` |
    /// | `monot5` | MonoT5, InRanker and other encoder-decoders | logit of `true` less that of `false` |
    /// | `rag-retrieval` | decoders with a score head, in RAG-Retrieval's default formats | the head's |
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let text = str::to_owned;
        Some(match name {
            "bge-llm" => Self {
                begin: true,
                query: text("A: {query}"),
                document: text("B: {document}"),
                tail: vec![text("\n"), text(ASK_YES_NO)],
                counts_fixed: false,
                ..Self::default()
            },
            "bge-lightweight" => {
                Self { tail: vec![text("\n"), text(ASK_PREDICT)], ..Self::named("bge-llm")? }
            }
            "qwen3-reranker" => Self {
                head: vec![text(QWEN3_HEAD)],
                query: text("<Instruct>: {instruction}\n<Query>: {query}"),
                document: text("<Document>: {document}"),
                tail: vec![text(QWEN3_TAIL)],
                joined: true,
                query_share: 1.0,
                instruction: Some(text(QWEN3_INSTRUCTION)),
                positive: text("yes"),
                negative: Some(text("no")),
                max_tokens: 8192,
                ..Self::default()
            },
            "mxbai-rerank-v2" => Self {
                head: vec![text(MXBAI_HEAD)],
                query: text("query: {query}"),
                query_with_instruction: Some(text("instruction: {instruction}\nquery: {query}")),
                document: text("document: {document}"),
                tail: vec![text("\n"), text(MXBAI_TASK), text(MXBAI_TAIL)],
                counts_fixed: false,
                positive: text("1"),
                negative: Some(text("0")),
                activation: Activation::Identity,
                max_tokens: 8192,
                ..Self::default()
            },
            "rag-retrieval" => Self {
                query: text("query: {query}"),
                separator: text(" "),
                document: text("document: {document}"),
                tail: vec![text("</s>")],
                activation: Activation::Sigmoid,
                max_tokens: 512,
                ..Self::default()
            },
            // Nogueira, Jiang, Pradeep & Lin, "Document Ranking with a Pretrained Sequence-to-Sequence Model",
            // arXiv:2003.06713.
            "monot5" => Self {
                query: text("Query: {query}"),
                separator: text(" "),
                document: text("Document: {document}"),
                tail: vec![text("Relevant:")],
                end: true,
                joined: true,
                query_share: 1.0,
                positive: text("true"),
                negative: Some(text("false")),
                max_tokens: 512,
                ..Self::default()
            },
            _ => return None,
        })
    }

    /// The query's part of the text.
    pub(super) fn query_text(&self, query: &str, instruction: Option<&str>) -> String {
        let instruction = instruction.or(self.instruction.as_deref()).filter(|text| !text.is_empty());
        let format = match (&self.query_with_instruction, instruction) {
            (Some(format), Some(_)) => format,
            _ => &self.query,
        };
        fill(format, &[("{instruction}", instruction.unwrap_or_default()), ("{query}", query)])
    }

    /// What stands before the document's own text in its part.
    pub(super) fn document_prefix(&self) -> &str {
        self.document.strip_suffix("{document}").unwrap_or(&self.document)
    }

    /// The first field that makes no sense, with what it holds and what it should.
    pub(super) fn problem(&self) -> Option<(&'static str, String, &'static str)> {
        if !self.query.contains("{query}") {
            return Some(("judge.template.query", self.query.clone(), "a text with {query}"));
        }
        let with = self.query_with_instruction.as_ref();
        if let Some(text) = with.filter(|text| !text.contains("{query}")) {
            return Some((
                "judge.template.query_with_instruction",
                text.clone(),
                "a text with {query} and {instruction}",
            ));
        }
        if self.document.matches("{document}").count() != 1 || !self.document.ends_with("{document}") {
            return Some((
                "judge.template.document",
                self.document.clone(),
                "a text that ends with {document}",
            ));
        }
        if !(self.query_share > 0.0 && self.query_share <= 1.0) {
            return Some(("judge.template.query_share", self.query_share.to_string(), "a part of 1"));
        }
        if !(16..=super::super::layout::MAX_TOKENS).contains(&self.max_tokens) {
            return Some(("judge.template.max_tokens", self.max_tokens.to_string(), "16 to 1048576 tokens"));
        }
        None
    }
}

/// Puts values in the places of their names, looking at the format only, never at a value.
fn fill(format: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((at, name, value)) = values
        .iter()
        .filter_map(|(name, value)| rest.find(name).map(|at| (at, *name, *value)))
        .min_by_key(|(at, ..)| *at)
    {
        text.push_str(&rest[..at]);
        text.push_str(value);
        rest = &rest[at + name.len()..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn digest(text: &str) -> String {
        Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Lengths and the first bytes of SHA-256 of the sentences on the models' cards.
    #[test]
    fn prompts_are_those_that_the_models_were_trained_with() {
        for (text, characters, sha) in [
            (ASK_YES_NO, 145, "63e3a18833bd2a22"),
            (ASK_PREDICT, 56, "6c8fb46351b8b628"),
            (QWEN3_HEAD, 190, "b09144c543bfe3e0"),
            (QWEN3_TAIL, 52, "5ca215121bd08200"),
            (QWEN3_INSTRUCTION, 74, "004c64eb0d64f4fc"),
            (MXBAI_TASK, 269, "a6f054307a171514"),
            (MXBAI_HEAD, 115, "f06c44fc08cdf9f6"),
            (MXBAI_TAIL, 33, "3e67c686cbae4cbe"),
        ] {
            assert_eq!((text.chars().count(), digest(text).as_str()), (characters, sha), "{text}");
        }
    }

    #[test]
    fn named_templates_are_sound_and_survive_json() {
        for name in PairTemplate::NAMES {
            let template = PairTemplate::named(name).unwrap();
            assert_eq!(template.problem(), None, "{name}");
            let json = serde_json::to_string(&template).unwrap();
            assert_eq!(serde_json::from_str::<PairTemplate>(&json).unwrap(), template);
        }
        assert_eq!(PairTemplate::named("gpt"), None);
        assert!(serde_json::from_str::<PairTemplate>(r#"{"quary": "x"}"#).is_err());
    }

    #[test]
    fn texts_are_filled_in_once() {
        let template = PairTemplate::named("mxbai-rerank-v2").unwrap();
        assert_eq!(template.query_text("{instruction}", None), "query: {instruction}");
        assert_eq!(template.query_text("{query}", Some("do")), "instruction: do\nquery: {query}");
        assert_eq!(template.document_prefix(), "document: ");
    }

    #[test]
    fn senseless_templates_are_told() {
        let with = |change: &dyn Fn(&mut PairTemplate)| {
            let mut template = PairTemplate::default();
            change(&mut template);
            template.problem().map(|(field, ..)| field)
        };
        assert_eq!(with(&|t| t.query = "x".into()), Some("judge.template.query"));
        assert_eq!(with(&|t| t.document = "{document}.".into()), Some("judge.template.document"));
        assert_eq!(with(&|t| t.query_share = f32::NAN), Some("judge.template.query_share"));
        assert_eq!(with(&|t| t.max_tokens = 0), Some("judge.template.max_tokens"));
    }
}
