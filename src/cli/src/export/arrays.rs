//! Solves as NumPy arrays.
//!
//! An archive has one array behind the other, a recording one solve behind the other: each array is gathered in a
//! file without a name first.

use std::fs::File;
use std::io::{BufReader, BufWriter, IntoInnerError, Read, Seek, SeekFrom, Write};
use std::path::Path;

use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use thalweg_nn::files::NewFile;
use thalweg_record::Solve;

use super::shape::Shape;

type Archive<'a> = NpzWriter<&'a mut BufWriter<NewFile>>;

/// Numbers of one array, of N bytes each.
struct Column<const N: usize> {
    file: BufWriter<File>,
}

impl<const N: usize> Column<N> {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile()?) })
    }

    fn put(&mut self, bytes: [u8; N]) -> std::io::Result<()> {
        self.file.write_all(&bytes)
    }

    /// Moves the numbers into the archive.
    fn end<T: npyz::AutoSerialize>(
        self,
        archive: &mut Archive<'_>,
        name: &str,
        shape: &[u64],
        number: impl Fn([u8; N]) -> T,
    ) -> anyhow::Result<()> {
        let mut file = self.file.into_inner().map_err(IntoInnerError::into_error)?;
        let count = file.stream_position()? / N as u64;
        file.seek(SeekFrom::Start(0))?;
        let mut file = BufReader::new(file);
        let array = archive.array(name, npyz::zip::write::FileOptions::default().large_file(true))?;
        let mut array = array.default_dtype().shape(shape).begin_nd()?;
        for _ in 0..count {
            let mut bytes = [0; N];
            file.read_exact(&mut bytes)?;
            array.push(&number(bytes))?;
        }
        Ok(array.finish()?)
    }
}

impl Column<8> {
    /// Doubles, up to `width` of them, and NaN for those that lack.
    fn doubles(&mut self, values: impl IntoIterator<Item = f64>, width: usize) -> std::io::Result<()> {
        let padded = values.into_iter().chain(std::iter::repeat(f64::NAN)).take(width);
        padded.into_iter().try_for_each(|value| self.put(value.to_le_bytes()))
    }
}

/// All arrays, while they are gathered.
struct Columns {
    stamp: Column<8>,
    observed: Column<8>,
    joints: Column<8>,
    z: Column<4>,
    losses: Column<8>,
    weights: Column<8>,
    steps: Column<4>,
    took: Column<8>,
    theta: Column<1>,
    person: Column<1>,
    arrival: Column<8>,
}

impl Columns {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            stamp: Column::new()?,
            observed: Column::new()?,
            joints: Column::new()?,
            z: Column::new()?,
            losses: Column::new()?,
            weights: Column::new()?,
            steps: Column::new()?,
            took: Column::new()?,
            theta: Column::new()?,
            person: Column::new()?,
            arrival: Column::new()?,
        })
    }

    fn put(&mut self, solve: &Solve, shape: &Shape) -> anyhow::Result<()> {
        let Shape { names, hypotheses: k, latent, identity, .. } = shape;
        let (answer, width) = (&solve.answer, names.len());
        self.stamp.put(solve.stamp_nanos.to_le_bytes())?;
        self.observed.doubles(solve.seen.joints.iter().copied(), width)?;
        for hypothesis in 0..*k {
            let joints = answer.joints.get(hypothesis).map_or(&[][..], Vec::as_slice);
            self.joints.doubles(joints.iter().copied(), width)?;
        }
        let own = solve.z.len().checked_div(answer.losses.len()).unwrap_or(0);
        for hypothesis in 0..*k {
            let row = solve.z.get(hypothesis * own..(hypothesis + 1) * own).unwrap_or_default();
            let padded = row.iter().copied().chain(std::iter::repeat(f32::NAN)).take(*latent);
            padded.into_iter().try_for_each(|value| self.z.put(value.to_le_bytes()))?;
        }
        self.losses.doubles(answer.losses.iter().copied(), *k)?;
        self.weights.doubles(answer.weights.iter().copied(), *k)?;
        self.steps.put(answer.statistics.steps.to_le_bytes())?;
        self.took.put(u64::try_from(answer.took.as_nanos()).unwrap_or(u64::MAX).to_le_bytes())?;
        // Identities are short texts; as bytes, padded with zeros, NumPy reads them with .view("S16").
        let padded =
            |text: &str, width: usize| -> Vec<u8> { text.bytes().chain(std::iter::repeat(0)).take(width).collect() };
        padded(&answer.landscape, *identity).into_iter().try_for_each(|byte| self.theta.put([byte]))?;
        let (id, arrival) = solve.person.as_ref().map_or(("", 0), |person| (person.id.as_str(), person.arrival));
        padded(id, shape.person).into_iter().try_for_each(|byte| self.person.put([byte]))?;
        self.arrival.put(arrival.to_le_bytes())?;
        Ok(())
    }

    fn end(self, archive: &mut Archive<'_>, shape: &Shape) -> anyhow::Result<()> {
        let [n, k, z] = [shape.solves, shape.hypotheses as u64, shape.latent as u64];
        let (j, width) = (shape.names.len() as u64, shape.identity as u64);
        self.stamp.end(archive, "stamp_nanos", &[n], i64::from_le_bytes)?;
        self.observed.end(archive, "observed", &[n, j], f64::from_le_bytes)?;
        self.joints.end(archive, "joints", &[n, k, j], f64::from_le_bytes)?;
        self.z.end(archive, "z", &[n, k, z], f32::from_le_bytes)?;
        self.losses.end(archive, "losses", &[n, k], f64::from_le_bytes)?;
        self.weights.end(archive, "weights", &[n, k], f64::from_le_bytes)?;
        self.steps.end(archive, "steps", &[n], u32::from_le_bytes)?;
        self.took.end(archive, "took_nanos", &[n], u64::from_le_bytes)?;
        self.theta.end(archive, "theta", &[n, width], |[byte]| byte)?;
        if shape.person > 0 {
            self.person.end(archive, "person", &[n, shape.person as u64], |[byte]| byte)?;
            self.arrival.end(archive, "arrival", &[n], u64::from_le_bytes)?;
        }
        Ok(())
    }
}

/// Writes all arrays.
pub(super) fn write(path: &Path, shape: &Shape) -> anyhow::Result<()> {
    let mut columns = Columns::new()?;
    shape.each(|solve| columns.put(solve, shape))?;
    let mut file = BufWriter::new(NewFile::create(path)?);
    let mut archive = NpzWriter::new(&mut file);
    columns.end(&mut archive, shape)?;
    archive.zip_writer().finish()?;
    drop(archive);
    Ok(file.into_inner().map_err(IntoInnerError::into_error)?.replace()?)
}
