//! Model directories as Hugging Face, sentence-transformers and PyLate read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::read_json;
use super::error::ModelError;
use super::lora;
use super::pooling::Pooling;
use super::token_weights;
use super::weights::{write, write_whole};
use super::{ColBert, Dense, Form, Head, Model};

/// Files of the base that a trained model has unchanged.
const COPIED: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
];

/// Name, shape and numbers.
type Tensor = (String, Vec<usize>, Vec<f32>);

/// How texts were made into tokens, which a saved model must say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextSettings {
    /// Put before queries.
    pub query_prompt: String,
    /// Put before documents.
    pub document_prompt: String,
    /// The most tokens of a query, special tokens included; of a pair, for rerankers.
    pub query_tokens: usize,
    /// The most tokens of a document.
    pub document_tokens: usize,
    /// Words whose tokens documents leave out.
    pub skip_words: Vec<String>,
    /// Whether queries are filled up with mask tokens.
    pub expand_queries: bool,
    /// Whether the mask tokens of an expanded query are attended to.
    pub attend_to_expansion: bool,
    /// How decoders that judge read a pair.
    pub pair: Option<PairTexts>,
}

/// How query and document became one text of a decoder; `{}` stands for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairTexts {
    /// The query's part.
    pub query: String,
    /// Between both.
    pub separator: String,
    /// The document's part.
    pub document: String,
    /// Behind them; the score is read at its last token.
    pub end: String,
    /// The words for a match and for none, where their logits are compared.
    pub words: Option<(String, String)>,
}

impl PairTexts {
    /// What `lateen.json` says of it.
    fn judge(&self, max_tokens: usize) -> Value {
        // The document's own text ends its part; what follows it is never cut.
        let (before, after) = self.document.split_once("{}").unwrap_or((&self.document, ""));
        let tail: Vec<&str> = [after, &self.end].into_iter().filter(|text| !text.is_empty()).collect();
        let mut template = json!({
            "query": self.query.replacen("{}", "{query}", 1),
            "separator": self.separator,
            "document": format!("{before}{{document}}"),
            "tail": tail,
            "max_tokens": max_tokens,
        });
        if let Some((positive, negative)) = &self.words {
            template["positive"] = positive.clone().into();
            template["negative"] = negative.clone().into();
        }
        json!({ "judge": { "template": template } })
    }
}

impl Model {
    /// Writes the model to `target` in the layout of its kind.
    ///
    /// Every file is written whole or not at all; weights come last, so that a folder with weights is complete.
    ///
    /// # Errors
    /// [`ModelError::Io`] and what reading the base's small files may give.
    pub fn save(&self, target: &Path, texts: &TextSettings) -> Result<(), ModelError> {
        make(target)?;
        let weights = matches!(self.head, Head::ColBert(_)).then_some(token_weights::FILE);
        for name in COPIED.into_iter().chain(weights) {
            let from = self.source().join(name);
            if from.exists() && from.parent() != Some(target) {
                let bytes = fs::read(&from).map_err(|source| ModelError::Io { path: from, source })?;
                put(&target.join(name), &bytes)?;
            }
        }
        let mut config: Map<String, Value> = read_json(&self.source().join("config.json"))?;
        match &self.head {
            Head::Embedding { pooling, dense, normalize } => {
                self.save_embedding(target, texts, *pooling, dense, *normalize)?;
            }
            Head::ColBert(colbert) => self.save_colbert(target, texts, colbert)?,
            Head::Reranker(classifier) => {
                save_lengths(target, texts.query_tokens)?;
                match classifier.form {
                    Form::YesNo { .. } => name_architecture(&mut config, "ForCausalLM"),
                    _ => name_classifier(&mut config),
                }
                if let Some(pair) = &texts.pair {
                    put_json(&target.join("lateen.json"), &pair.judge(texts.query_tokens))?;
                }
            }
        }
        put_json(&target.join("config.json"), &Value::Object(config))?;
        self.save_weights(target)
    }

    fn save_weights(&self, target: &Path) -> Result<(), ModelError> {
        let mut folders: BTreeMap<String, Vec<Tensor>> = BTreeMap::new();
        for (name, parameter) in self.params.iter() {
            let Some(values) = lora::merged(&self.params, name) else { continue };
            let folder = self.dense().find(|dense| name.starts_with(&format!("{}.", dense.folder)));
            let (folder, name) = match folder {
                Some(dense) => (dense.folder.clone(), &name[dense.folder.len() + 1..]),
                None => (String::new(), name),
            };
            let held = (name.to_owned(), parameter.shape().to_vec(), values);
            folders.entry(folder).or_default().push(held);
        }
        // The folder itself has the empty name, which sorts first: it is written last.
        for (folder, tensors) in folders.iter().rev() {
            make(&target.join(folder))?;
            let tensors =
                tensors.iter().map(|(n, shape, values)| (n.as_str(), shape.as_slice(), values.as_slice()));
            write(&target.join(folder).join("model.safetensors"), tensors)?;
        }
        Ok(())
    }

    fn dense(&self) -> impl Iterator<Item = &Dense> {
        let (list, one) = match &self.head {
            Head::Embedding { dense, .. } => (dense.as_slice(), None),
            Head::ColBert(colbert) => (&[][..], Some(&colbert.linear)),
            Head::Reranker(_) => (&[][..], None),
        };
        list.iter().chain(one)
    }

    fn save_embedding(
        &self,
        target: &Path,
        texts: &TextSettings,
        pooling: Pooling,
        dense: &[Dense],
        normalize: bool,
    ) -> Result<(), ModelError> {
        save_lengths(target, texts.document_tokens.max(texts.query_tokens))?;
        let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
        for dense in dense {
            modules.push(module(modules.len(), &dense.folder, "Dense"));
            make(&target.join(&dense.folder))?;
            put_json(&target.join(&dense.folder).join("config.json"), &dense.config())?;
        }
        if normalize {
            let folder = format!("{}_Normalize", modules.len());
            modules.push(module(modules.len(), &folder, "Normalize"));
        }
        put_json(&target.join("modules.json"), &Value::Array(modules))?;
        make(&target.join("1_Pooling"))?;
        let mut config = Map::new();
        config.insert("word_embedding_dimension".into(), self.backbone.hidden().into());
        for key in [
            "cls_token",
            "mean_tokens",
            "max_tokens",
            "mean_sqrt_len_tokens",
            "weightedmean_tokens",
            "lasttoken",
        ] {
            let key = format!("pooling_mode_{key}");
            let on = key == pooling.key();
            config.insert(key, on.into());
        }
        put_json(&target.join("1_Pooling/config.json"), &Value::Object(config))?;
        let settings = json!({
            "prompts": { "query": texts.query_prompt, "document": texts.document_prompt },
            "default_prompt_name": null,
            "similarity_fn_name": "cosine",
        });
        put_json(&target.join("config_sentence_transformers.json"), &settings)
    }

    fn save_colbert(&self, target: &Path, texts: &TextSettings, colbert: &ColBert) -> Result<(), ModelError> {
        save_lengths(target, texts.document_tokens.max(texts.query_tokens))?;
        let folder = &colbert.linear.folder;
        let linear = json!({ "idx": 1, "name": "1", "path": folder, "type": "pylate.models.Dense.Dense" });
        put_json(&target.join("modules.json"), &Value::Array(vec![module(0, "", "Transformer"), linear]))?;
        make(&target.join(folder))?;
        let mut config = colbert.linear.config();
        config["use_residual"] = false.into();
        put_json(&target.join(folder).join("config.json"), &config)?;
        let settings = json!({
            "model_type": "ColBERT",
            "similarity_fn_name": "MaxSim",
            "query_prefix": texts.query_prompt,
            "document_prefix": texts.document_prompt,
            "query_length": texts.query_tokens,
            "document_length": texts.document_tokens,
            "do_query_expansion": texts.expand_queries,
            "attend_to_expansion_tokens": texts.attend_to_expansion,
            "skiplist_words": texts.skip_words,
        });
        put_json(&target.join("config_sentence_transformers.json"), &settings)
    }
}

/// Makes `config` say that the model is a classifier with one label.
fn name_classifier(config: &mut Map<String, Value>) {
    name_architecture(config, "ForSequenceClassification");
    config.insert("num_labels".into(), json!(1));
    config.insert("id2label".into(), json!({ "0": "LABEL_0" }));
    config.insert("label2id".into(), json!({ "LABEL_0": 0 }));
}

fn name_architecture(config: &mut Map<String, Value>, end: &str) {
    let family = match config.get("model_type").and_then(Value::as_str) {
        Some("roberta") => "Roberta",
        Some("xlm-roberta") => "XLMRoberta",
        Some("camembert") => "Camembert",
        Some("modernbert") => "ModernBert",
        Some("qwen2") => "Qwen2",
        Some("qwen3") => "Qwen3",
        Some("mistral") => "Mistral",
        _ => "Bert",
    };
    config.insert("architectures".into(), json!([format!("{family}{end}")]));
}

fn module(idx: usize, path: &str, kind: &str) -> Value {
    json!({ "idx": idx, "name": idx.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}") })
}

fn save_lengths(target: &Path, tokens: usize) -> Result<(), ModelError> {
    let lengths = json!({ "max_seq_length": tokens, "do_lower_case": false });
    put_json(&target.join("sentence_bert_config.json"), &lengths)
}

fn make(folder: &Path) -> Result<(), ModelError> {
    fs::create_dir_all(folder).map_err(|source| ModelError::Io { path: folder.to_owned(), source })
}

fn put_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    put(path, format!("{value:#}\n").as_bytes())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    write_whole(path, bytes).map_err(|source| ModelError::Io { path: path.to_owned(), source })
}
