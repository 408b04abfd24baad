//! Just enough protocol buffers to find the external weights that an ONNX file names, and one operator.
//!
//! Messages are walked by field number along the paths that can hold a tensor; everything else is stepped over. The
//! numbers are those of `onnx.proto` (ONNX 1.21).

use std::collections::BTreeSet;

/// Graphs within graphs deeper than this are refused.
const MAX_DEPTH: u32 = 64;

#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    SparseTensor,
    Tensor,
}

impl Message {
    /// The message that field `number` of this one holds, if tensors can be below it.
    fn child(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 5) => Some(Self::Tensor),
            (Self::Graph, 15) => Some(Self::SparseTensor),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::SparseTensor, 1 | 2) => Some(Self::Tensor),
            _ => None,
        }
    }
}

/// What is looked for in an ONNX file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The `location` of every tensor whose data lies outside, each once.
    pub(super) locations: BTreeSet<String>,
    /// Whether an operator `DynamicQuantizeLinear` occurs.
    pub(super) dynamic_quantisation: bool,
    /// The names of the graph's inputs, without those that have a value.
    pub(super) inputs: Vec<String>,
    /// The names of the graph's outputs.
    pub(super) outputs: Vec<String>,
}

/// Walks an ONNX model once.
pub(super) fn scan(model: &[u8]) -> Result<Scan, &'static str> {
    let mut found = Scan::default();
    let mut valued = BTreeSet::new();
    walk(Message::Model, model, MAX_DEPTH, &mut found, &mut valued)?;
    found.inputs.retain(|name| !valued.contains(name));
    Ok(found)
}

fn walk(
    message: Message,
    bytes: &[u8],
    depth: u32,
    found: &mut Scan,
    valued: &mut BTreeSet<String>,
) -> Result<(), &'static str> {
    if depth == 0 {
        return Err("its graphs are nested too deeply");
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (number, body) = field(&mut rest)?;
        let Some(body) = body else { continue };
        match (message, number) {
            (Message::Tensor, 13) => found.locations.extend(location(body)?),
            // Some exporters list weights among the inputs.
            (Message::Tensor, 8) if depth == MAX_DEPTH - 2 => {
                valued.insert(String::from_utf8_lossy(body).into_owned());
            }
            (Message::Graph, 11) if depth == MAX_DEPTH - 1 => found.inputs.push(name(body)?),
            (Message::Graph, 12) if depth == MAX_DEPTH - 1 => found.outputs.push(name(body)?),
            (Message::Node, 4) => found.dynamic_quantisation |= body == b"DynamicQuantizeLinear",
            _ => {
                if let Some(child) = message.child(number) {
                    walk(child, body, depth - 1, found, valued)?;
                }
            }
        }
    }
    Ok(())
}

/// The value of a key-value entry whose key is `location`.
fn location(entry: &[u8]) -> Result<Option<String>, &'static str> {
    let (mut key, mut value) = (&[][..], &[][..]);
    let mut rest = entry;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Some(body)) => key = body,
            (2, Some(body)) => value = body,
            _ => {}
        }
    }
    if key != b"location" {
        return Ok(None);
    }
    let text = std::str::from_utf8(value).map_err(|_| "the location of external weights is no text")?;
    Ok(Some(text.to_owned()))
}

/// The name of an input or output.
fn name(value: &[u8]) -> Result<String, &'static str> {
    let mut rest = value;
    while !rest.is_empty() {
        if let (1, Some(body)) = field(&mut rest)? {
            return Ok(String::from_utf8_lossy(body).into_owned());
        }
    }
    Err("an input or output has no name")
}

/// Takes one field off `rest`: its number, and its bytes if it has a length.
fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Option<&'a [u8]>), &'static str> {
    const CUT: &str = "it ends within a field";
    let tag = varint(rest)?;
    let skip = match tag & 7 {
        0 => {
            varint(rest)?;
            return Ok((tag >> 3, None));
        }
        1 => 8,
        5 => 4,
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| CUT)?;
            let (body, after) = rest.split_at_checked(length).ok_or(CUT)?;
            *rest = after;
            return Ok((tag >> 3, Some(body)));
        }
        _ => return Err("it holds a field of an unknown type"),
    };
    *rest = rest.get(skip..).ok_or(CUT)?;
    Ok((tag >> 3, None))
}

fn varint(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or("it ends within a number")?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has more than 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length.
    pub(crate) fn part(number: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, body.len() as u8];
        bytes.extend_from_slice(body);
        bytes
    }

    fn locations(model: &[u8]) -> Vec<String> {
        scan(model).unwrap().locations.into_iter().collect()
    }

    #[test]
    fn locations_are_found_wherever_a_tensor_is() {
        let entry = part(13, &[part(1, b"location"), part(2, b"../secret")].concat());
        let initializer = part(7, &part(5, &entry));
        assert_eq!(locations(&initializer), ["../secret"]);
        let in_subgraph = part(7, &part(1, &part(5, &part(6, &part(5, &entry)))));
        assert_eq!(locations(&in_subgraph), ["../secret"]);
        let length = part(7, &part(5, &part(13, &[part(1, b"length"), part(2, b"9")].concat())));
        assert!(locations(&length).is_empty());
        assert!(scan(&part(7, &part(1, &part(4, b"DynamicQuantizeLinear")))).unwrap().dynamic_quantisation);
    }

    #[test]
    fn outputs_of_the_graph_are_named_and_those_of_graphs_within_it_are_not() {
        let output = part(12, &part(1, b"logits"));
        let within = part(1, &part(5, &part(6, &part(12, &part(1, b"other")))));
        let inputs = [part(11, &part(1, b"input_ids")), part(11, &part(1, b"weight"))].concat();
        let weight = part(5, &part(8, b"weight"));
        let found = scan(&part(7, &[output, within, inputs, weight].concat())).unwrap();
        assert_eq!(
            (&found.outputs[..], &found.inputs[..]),
            (&["logits".to_owned()][..], &["input_ids".to_owned()][..])
        );
    }

    #[test]
    fn damaged_files_are_refused_not_followed() {
        let sound = part(7, &part(5, &part(13, &part(1, b"location"))));
        for end in 1..sound.len() {
            assert!(scan(&sound[..end]).is_err(), "cut at {end}");
        }
        assert!(scan(&[0xff; 32]).is_err());
        assert!(scan(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }

    #[test]
    fn graphs_nested_without_end_are_refused() {
        // Each level wraps the last in a graph, a node, and an attribute holding a graph.
        let mut graph = Vec::new();
        for _ in 0..80 {
            graph = long_part(1, &long_part(5, &long_part(6, &graph)));
        }
        assert_eq!(scan(&long_part(7, &graph)), Err("its graphs are nested too deeply"));
    }

    fn long_part(number: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = body.len();
        while length >= 128 {
            bytes.push(length as u8 | 128);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(body);
        bytes
    }
}
