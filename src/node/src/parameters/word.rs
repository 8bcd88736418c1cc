//! Parameters that are one of a few words.

use thalweg_task::ParameterRange;

/// A setting that is written as a word; every value has one.
pub trait Word: Copy + Sized + 'static {
    /// All values, in the order in which they are listed.
    const ALL: &'static [Self];

    /// How the value is written.
    fn word(self) -> &'static str;

    /// Finds the value that is written so.
    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }

    /// The range of a parameter that has such a value.
    #[must_use]
    fn range() -> ParameterRange {
        ParameterRange::Choice(Self::ALL.iter().map(|value| value.word()).collect())
    }
}

/// Says how each value of an enumeration is written; one that is left out does not compile.
macro_rules! words {
    ($name:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $crate::parameters::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}
pub(crate) use words;
