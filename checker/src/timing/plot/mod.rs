//! Pictures of distributions.

mod svg;

mod answer;

mod overlay;

pub(crate) use answer::answer;
pub(crate) use overlay::{Compared, overlay};
