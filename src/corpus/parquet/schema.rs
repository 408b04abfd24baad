//! What the columns of a file are.

use super::error::ParquetProblem;
use super::thrift::{Kind, Thrift};

/// Groups inside groups.
const DEEPEST: u32 = 64;

/// How values are laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physical {
    Boolean,
    Int32,
    Int64,
    Float,
    Double,
    Bytes,
}

/// What values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Truth,
    Integer,
    Unsigned,
    Fraction,
    Text,
}

impl Meaning {
    fn name(self) -> &'static str {
        match self {
            Self::Truth => "true or false",
            Self::Integer | Self::Unsigned => "whole numbers",
            Self::Fraction => "numbers",
            Self::Text => "text",
        }
    }
}

/// From which definition levels on a list is there, and an item of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListLevels {
    pub(super) list: u16,
    pub(super) item: u16,
}

/// A column of values, or of lists of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Which of a row group's chunks.
    pub(super) chunk: usize,
    pub(super) physical: Physical,
    pub(super) meaning: Meaning,
    /// The definition level of a value that is there.
    pub(super) defined: u16,
    /// `None`: one value a row.
    pub(super) list: Option<ListLevels>,
}

impl Column {
    /// What it holds, in words.
    pub(super) fn kind(&self) -> String {
        match self.list {
            Some(_) => format!("lists of {}", self.meaning.name()),
            None => self.meaning.name().to_owned(),
        }
    }
}

/// A field of the rows: a column, or something that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Column(Column),
    Other { name: String, kind: String },
}

impl Field {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Column(column) => &column.name,
            Self::Other { name, .. } => name,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Repetition {
    #[default]
    Required,
    Optional,
    Repeated,
}

/// A node of the schema, as the footer lists them: each before its children.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    name: String,
    physical: Option<i64>,
    repetition: Repetition,
    children: u64,
    converted: Option<i64>,
    /// Which member of the union of logical types.
    logical: Option<i16>,
}

impl Element {
    pub(super) fn read(thrift: &mut Thrift<'_>) -> Result<Self, ParquetProblem> {
        let mut element = Self::default();
        thrift.structure(|thrift, id, kind| {
            match id {
                1 => element.physical = Some(thrift.integer(kind)?),
                3 => {
                    element.repetition = match thrift.integer(kind)? {
                        0 => Repetition::Required,
                        1 => Repetition::Optional,
                        2 => Repetition::Repeated,
                        _ => return Err(ParquetProblem::damaged("a column repeats in no known way")),
                    }
                }
                4 => element.name = thrift.string(kind)?,
                5 => element.children = thrift.count(kind)?,
                6 => element.converted = Some(thrift.integer(kind)?),
                10 if kind == Kind::Struct => thrift.structure(|thrift, id, kind| {
                    element.logical = Some(id);
                    thrift.skip(kind)
                })?,
                _ => thrift.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(element)
    }

    fn is_leaf(&self) -> bool {
        self.children == 0 && self.physical.is_some()
    }

    /// What its values are, or the name of what is not read.
    fn values(&self) -> Result<(Physical, Meaning), &'static str> {
        let physical = match self.physical {
            Some(0) => Physical::Boolean,
            Some(1) => Physical::Int32,
            Some(2) => Physical::Int64,
            Some(3) => return Err("INT96 timestamps"),
            Some(4) => Physical::Float,
            Some(5) => Physical::Double,
            Some(6) => Physical::Bytes,
            _ => return Err("bytes of a fixed length"),
        };
        let plain = match physical {
            Physical::Boolean => Meaning::Truth,
            Physical::Int32 | Physical::Int64 => Meaning::Integer,
            Physical::Float | Physical::Double => Meaning::Fraction,
            Physical::Bytes => Meaning::Text,
        };
        let meaning = match (self.converted, self.logical, plain) {
            (Some(11..=14), _, Meaning::Integer) => Meaning::Unsigned,
            (Some(15..=18), _, Meaning::Integer) | (None, Some(10 | 11), Meaning::Integer) => plain,
            (Some(0 | 4 | 19), _, Meaning::Text) | (None, Some(1 | 4 | 11 | 12), Meaning::Text) => plain,
            (None, None | Some(11), _) => plain,
            (Some(5), ..) | (_, Some(5), _) => return Err("decimals"),
            (Some(6..=10), ..) | (_, Some(6..=8), _) => return Err("dates or times"),
            _ => return Err("values of a kind that is not text, a number or a truth"),
        };
        Ok((physical, meaning))
    }
}

/// The fields of the rows, in the file's order.
pub(super) fn fields(elements: &[Element]) -> Result<Vec<Field>, ParquetProblem> {
    let broken = || ParquetProblem::damaged("the list of columns is not whole");
    let root = elements.first().ok_or_else(broken)?;
    let (mut at, mut chunk) = (1, 0);
    let mut fields = Vec::new();
    for _ in 0..root.children {
        let begin = at;
        let first = chunk;
        walk(elements, &mut at, &mut chunk, 0)?;
        fields.push(field(&elements[begin..at], first));
    }
    if at == elements.len() { Ok(fields) } else { Err(broken()) }
}

/// Steps over a node and what is below it, and counts the leaves.
fn walk(elements: &[Element], at: &mut usize, leaves: &mut usize, depth: u32) -> Result<(), ParquetProblem> {
    let element = elements.get(*at).ok_or(ParquetProblem::damaged("the list of columns is not whole"))?;
    if depth > DEEPEST {
        return Err(ParquetProblem::damaged("columns are too deep in each other"));
    }
    *at += 1;
    if element.children == 0 {
        *leaves += usize::from(element.is_leaf());
        return Ok(());
    }
    for _ in 0..element.children {
        walk(elements, at, leaves, depth + 1)?;
    }
    Ok(())
}

/// The field made of a node and those below it.
fn field(nodes: &[Element], chunk: usize) -> Field {
    let name = nodes[0].name.clone();
    let other = |kind: &str| Field::Other { name: nodes[0].name.clone(), kind: kind.to_owned() };
    let level = |node: &Element| u16::from(node.repetition != Repetition::Required);
    let (leaf, list) = match nodes {
        [leaf] if leaf.repetition != Repetition::Repeated => (leaf, None),
        [leaf] => (leaf, Some(0)),
        [group, leaf] if is_list(group, leaf) => (leaf, Some(level(group))),
        [group, items, leaf] if is_list(group, items) && !is_record(group, items) => {
            if leaf.repetition == Repetition::Repeated {
                return other("lists of lists");
            }
            (leaf, Some(level(group)))
        }
        _ => return other("groups of columns"),
    };
    if !leaf.is_leaf() {
        return other("groups of columns");
    }
    let (physical, meaning) = match leaf.values() {
        Ok(values) => values,
        Err(kind) => return other(kind),
    };
    let list = list.map(|list| ListLevels { list, item: list + 1 });
    let defined = nodes.iter().map(level).sum();
    Field::Column(Column { name, chunk, physical, meaning, defined, list })
}

fn is_list(group: &Element, items: &Element) -> bool {
    group.repetition != Repetition::Repeated
        && group.children == 1
        && items.repetition == Repetition::Repeated
}

/// Old writers name a repeated group so if each item is a record of one column.
fn is_record(group: &Element, items: &Element) -> bool {
    items.children != 1 || items.name == "array" || items.name == format!("{}_tuple", group.name)
}
