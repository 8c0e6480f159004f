//! A dialect that the configuration describes: where in the bodies the model and the counts stand.

use crate::dialect;
use crate::field::Role;
use crate::pointer::{PointerError, path, written};
use crate::stream::json_fields::{Want, Wants};

/// The places as the configuration writes them: JSON pointers (RFC 6901), of which a segment `*` stands for
/// every element of an array. The model is looked for in requests and responses, everything else in responses.
#[derive(Clone, Copy, Debug, Default)]
pub struct CustomShape<'a> {
    /// The model.
    pub model: Option<&'a str>,
    /// All input tokens, cached ones included.
    pub input_tokens: Option<&'a str>,
    /// All output tokens, reasoning included.
    pub output_tokens: Option<&'a str>,
    /// Input tokens that were read from a cache.
    pub cache_read_tokens: Option<&'a str>,
    /// Output tokens that were thought and not shown.
    pub reasoning_tokens: Option<&'a str>,
    /// What the counts of a stream's events mean.
    pub stream: StreamCounts,
}

/// What the counts in the events of a stream mean. Counts that one document tells at several places are
/// always added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamCounts {
    /// Each event tells what it was so far: the last one counts.
    #[default]
    Last,
    /// Each event tells what is new: they are added up.
    Sum,
}

/// A shape that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    pub(crate) request: Wants,
    pub(crate) response: Wants,
    pub(crate) counts: StreamCounts,
}

impl Custom {
    /// Checks a shape.
    ///
    /// # Errors
    /// A pointer that is none, that is too long, or that leads through another one's place.
    pub fn new(shape: &CustomShape<'_>) -> Result<Self, PointerError> {
        let model = (Role::Model, shape.model);
        let counts = [
            (Role::InputCount, shape.input_tokens),
            (Role::OutputCount, shape.output_tokens),
            (Role::CacheReadCount, shape.cache_read_tokens),
            (Role::ReasoningCount, shape.reasoning_tokens),
        ];
        let asked = wants([model])?.into_iter().chain(dialect::CUSTOM.request.iter().cloned()).collect();
        let told: Vec<Want> = wants(std::iter::once(model).chain(counts))?;
        refuse_overlap(&told)?;
        Ok(Self { request: Wants::own(asked), response: Wants::own(told), counts: shape.stream })
    }
}

fn wants<'a>(places: impl IntoIterator<Item = (Role, Option<&'a str>)>) -> Result<Vec<Want>, PointerError> {
    let named = places.into_iter().filter_map(|(role, pointer)| Some((role, pointer?)));
    named.map(|(role, pointer)| Ok(Want { role, path: path(pointer)? })).collect()
}

/// A value is taken whole: nothing is looked for inside it.
fn refuse_overlap(wants: &[Want]) -> Result<(), PointerError> {
    let leads = |outer: &Want, inner: &Want| {
        let fits = outer.path.keys().zip(inner.path.keys()).all(|(one, other)| one == other);
        fits && outer.path.len() < inner.path.len()
    };
    let pairs = wants.iter().flat_map(|outer| wants.iter().map(move |inner| (outer, inner)));
    match pairs.into_iter().find(|(outer, inner)| leads(outer, inner)) {
        Some((outer, inner)) => Err(PointerError::Through(written(&inner.path), written(&outer.path))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_inside_another_is_refused() {
        let shape = CustomShape {
            input_tokens: Some("/usage"),
            output_tokens: Some("/usage/out"),
            ..CustomShape::default()
        };
        let said = Custom::new(&shape).unwrap_err().to_string();
        assert_eq!(said, "`/usage/out` leads through `/usage`, which is taken whole");
    }
}
