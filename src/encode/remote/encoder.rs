use serde::Deserialize;
use serde_json::json;

use super::{Client, Dialect, RemoteError, RemoteOptions};
use crate::types::MAX_DIM;

/// An encoder that answers over HTTP, with one vector for each text.
///
/// Texts are sent whole; the service cuts them, or refuses them if they are too long. A text's vectors are what the
/// service gives: it may change its model at any time, which no fingerprint shows.
#[derive(Debug)]
pub struct RemoteEncoder {
    client: Client,
    dim: usize,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

impl RemoteEncoder {
    /// Connects to a service, and encodes one short text to learn the dimension.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn connect(options: RemoteOptions) -> Result<Self, RemoteError> {
        let client = Client::new(options)?;
        if client.options().dialect != Dialect::OpenAi {
            let problem = "its dialect is that of a judge; encoders speak `openai`".to_owned();
            return Err(RemoteError::Answer { url: client.url("embeddings"), problem });
        }
        let mut this = Self { client, dim: 0 };
        let vector = this.request(&["a".to_owned()])?.remove(0);
        this.dim = vector.len();
        Ok(this)
    }

    pub(in super::super) fn options(&self) -> &RemoteOptions {
        self.client.options()
    }

    pub(in super::super) fn dim(&self) -> usize {
        self.dim
    }

    /// One vector for each text, in the order given.
    pub(in super::super) fn encode(&self, texts: &[&str], query: bool) -> Result<Vec<Vec<f32>>, RemoteError> {
        let options = self.client.options();
        let prompt = if query { &options.query_prompt } else { &options.document_prompt };
        let texts: Vec<String> = texts.iter().map(|text| format!("{prompt}{text}")).collect();
        let batches = texts.chunks(options.batch.max(1)).map(|batch| self.request(batch));
        Ok(batches.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn request(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, RemoteError> {
        let options = self.client.options();
        let mut body = json!({"model": options.model, "input": texts, "encoding_format": "float"});
        if let Some(dimensions) = options.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        let answer = self.client.post("embeddings", &body)?;
        let wrong = |problem: String| RemoteError::Answer { url: self.client.url("embeddings"), problem };
        let answer: Answer = serde_json::from_value(answer).map_err(|error| wrong(error.to_string()))?;
        let mut vectors = vec![Vec::new(); texts.len()];
        for item in answer.data {
            let place = vectors.get_mut(item.index);
            *place.ok_or_else(|| wrong(format!("a vector for text {} of {}", item.index, texts.len())))? =
                item.embedding;
        }
        for vector in &vectors {
            let sound = if self.dim == 0 { 1..=MAX_DIM } else { self.dim..=self.dim };
            if !sound.contains(&vector.len()) || vector.iter().any(|x| !x.is_finite()) {
                return Err(wrong(format!(
                    "a vector of {} dimensions, or with a number that is none",
                    vector.len()
                )));
            }
        }
        Ok(vectors)
    }
}
