//! How large the arrays of a recording are, and its solves again.

use std::path::{Path, PathBuf};

use thalweg_record::{Damage, Reader, Solve};

use crate::failure::InputError;

/// What the solves of a recording have in common, and the most of what they have not.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Files with solves of one task, in their order.
    files: Vec<PathBuf>,
    /// Names of the joints.
    pub(super) names: Vec<String>,
    pub(super) solves: u64,
    /// Most hypotheses, K.
    pub(super) hypotheses: usize,
    /// Most numbers of a latent, Z.
    pub(super) latent: usize,
    /// Longest identity of a landscape, bytes.
    pub(super) identity: usize,
    /// Longest identity of a person, bytes; zero where nobody is told apart.
    pub(super) person: usize,
}

impl Shape {
    /// Looks through a file.
    ///
    /// # Errors
    /// When it cannot be read, or its joints are not those of the files before.
    pub(super) fn add(&mut self, file: &Path) -> anyhow::Result<Damage> {
        let mut reader = Reader::open(file)?;
        if self.files.is_empty() {
            self.names.clone_from(&reader.setup().joints);
        } else if self.names != reader.setup().joints {
            let why = "has other joints than the recordings before it; expected one task: export them apart".to_owned();
            return Err(InputError::Bag { path: file.to_owned(), why }.into());
        }
        for solve in reader.solves() {
            let solve = solve?;
            let hypotheses = solve.answer.losses.len();
            self.solves += 1;
            self.hypotheses = self.hypotheses.max(hypotheses);
            self.latent = self.latent.max(solve.z.len().checked_div(hypotheses).unwrap_or(0));
            self.identity = self.identity.max(solve.answer.landscape.len());
            self.person = self.person.max(solve.person.map_or(0, |person| person.id.len()));
        }
        self.files.push(file.to_owned());
        Ok(reader.damage())
    }

    /// Says with an error where there is nothing to write.
    ///
    /// # Errors
    /// [`InputError::Bag`].
    pub(super) fn expect_solves(&self, path: &Path) -> anyhow::Result<()> {
        if self.solves > 0 {
            return Ok(());
        }
        let why = "holds no solve; expected at least one".to_owned();
        Err(InputError::Bag { path: path.to_owned(), why }.into())
    }

    /// Goes through all solves again.
    ///
    /// # Errors
    /// What `take` says, or when a file cannot be read any more.
    pub(super) fn each(&self, mut take: impl FnMut(&Solve) -> anyhow::Result<()>) -> anyhow::Result<()> {
        for file in &self.files {
            let mut reader = Reader::open(file)?;
            for solve in reader.solves() {
                take(&solve?)?;
            }
        }
        Ok(())
    }
}
