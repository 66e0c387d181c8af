//! JSON without a tree: tokens borrowed from a body, and pieces written straight into a string.

pub mod scan;
pub mod value;
pub mod write;
