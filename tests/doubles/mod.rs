//! Small tasks that stand in for kinds of data that the shipped tasks do not read.

pub(crate) mod image;
