//! Products of whole numbers are exact, whatever the sizes.

use pulp::Arch;

use super::dots::Dots;
use super::finish::{Add, Offset, Scale, Store};
use super::panels::Panels;
use super::product::{Product, Rows};
use super::real::Real;
use super::spread::{Left, Spread};

/// The processor's vectors, widest first: those that a model would get on lesser ones, too.
pub(crate) fn arches() -> Vec<Arch> {
    let mut arches = vec![Arch::new()];
    #[cfg(target_arch = "x86_64")]
    if let (Arch::V4(_), Some(narrower)) = (arches[0], pulp::x86::V3::try_new()) {
        arches.push(Arch::V3(narrower));
    }
    if !matches!(arches[0], Arch::Scalar) {
        arches.push(Arch::Scalar);
    }
    arches
}

const SIZES: [(usize, usize); 4] = [(1, 1), (3, 33), (32, 64), (45, 100)];

/// Small whole numbers, so that sums are exact.
fn entry<T: Real>(row: usize, column: usize) -> T {
    T::of(((row * 7 + column * 3) % 11) as f64 - 5.0)
}

/// Zero outside `[rows, columns]`.
fn padded<T: Real>((rows, columns): (usize, usize), row: usize, column: usize) -> T {
    if row < rows && column < columns { entry(row, column) } else { T::ZERO }
}

fn assert_product<T: Real>(out: &[T], stride: usize, expected: impl Fn(usize, usize) -> T) {
    for (row, got) in out.chunks_exact(stride).enumerate() {
        got.iter().enumerate().for_each(|(column, got)| assert_eq!(*got, expected(row, column), "{row} {column}"));
    }
}

fn rows_times_panels<T: Real>(arch: Arch) {
    for (inputs, outputs) in SIZES {
        let panels = Panels::<T>::pack(arch, inputs, outputs, entry);
        let weight = |input, output| padded::<T>((inputs, outputs), input, output);
        for count in 1..20 {
            let stride = panels.rows().max(panels.padded());
            let data: Vec<T> =
                (0..count * stride).map(|at| padded((count, inputs), at / stride, at % stride)).collect();
            let mut out = vec![T::of(f64::NAN); count * panels.padded()];
            let rows = Rows { data: &data, stride, count };
            arch.dispatch(Product { rows, panels: &panels, out: &mut out, finish: Store });
            assert_product(&out, panels.padded(), |row, output| {
                (0..inputs).map(|input| entry::<T>(row, input) * weight(input, output)).sum()
            });
            let data: Vec<T> =
                (0..count * stride).map(|at| padded((count, outputs), at / stride, at % stride)).collect();
            let mut out = vec![T::of(f64::NAN); count * panels.rows()];
            let rows = Rows { data: &data, stride, count };
            arch.dispatch(Dots { rows, panels: &panels, out: &mut out, finish: Store });
            assert_product(&out, panels.rows(), |row, input| {
                (0..outputs).map(|output| entry::<T>(row, output) * weight(input, output)).sum()
            });
        }
    }
}

#[test]
fn rows_times_panels_and_their_transpose() {
    for arch in arches() {
        rows_times_panels::<f32>(arch);
        rows_times_panels::<f64>(arch);
    }
}

/// Every third input, both ways of packing, an offset and gates.
fn panels_times_panels<T: Real>(arch: Arch) {
    for (inputs, outputs) in SIZES {
        for is_turned in [false, true] {
            let columns = 40;
            let (rows, across) = if is_turned { (outputs, inputs) } else { (inputs, outputs) };
            let left =
                Panels::<T>::pack(
                    arch,
                    rows,
                    across,
                    |row, column| {
                        if is_turned { entry(column, row) } else { entry(row, column) }
                    },
                );
            let chosen: Vec<usize> = (0..inputs).step_by(3).collect();
            let places: Vec<usize> = chosen.iter().map(|&input| Left::place(&left, is_turned, input)).collect();
            let right = Panels::<T>::pack(arch, chosen.len(), columns, |row, column| entry(column, row));
            let offset = Panels::<T>::pack(arch, outputs, columns, |row, column| entry(row + 1, column));
            let gate: Vec<T> = (0..outputs).map(|output| T::of((output % 3) as f64)).collect();
            let mut out = Panels::zeros(arch, outputs, columns);
            let left = Left { panels: &left, is_turned, inputs: &places };
            let finish = Offset { panels: &offset, factor: T::of(2.0) };
            arch.dispatch(Spread { left, right: &right, out: &mut out, finish });
            let check = |out: &Panels<T>, expected: &dyn Fn(T, usize, usize) -> T| {
                for output in 0..outputs {
                    for column in 0..columns {
                        let terms = chosen.iter().enumerate();
                        let sum: T = terms.map(|(at, &input)| entry::<T>(input, output) * entry(column, at)).sum();
                        let expected = expected(sum, output, column);
                        assert_eq!(out.at(output, column), expected, "{inputs} x {outputs}, {output}, {column}");
                    }
                }
            };
            let shifted = |sum: T, output: usize, column: usize| sum + T::of(2.0) * entry(output + 1, column);
            check(&out, &shifted);
            arch.dispatch(Spread { left, right: &right, out: &mut out, finish: Add });
            check(&out, &|sum, output, column| shifted(sum, output, column) + sum);
            arch.dispatch(Spread { left, right: &right, out: &mut out, finish: Scale { factors: &gate } });
            check(&out, &|sum, output, _| sum * gate[output]);
        }
    }
}

#[test]
fn panels_times_panels_of_chosen_inputs() {
    for arch in arches() {
        panels_times_panels::<f32>(arch);
        panels_times_panels::<f64>(arch);
    }
}

/// A row's bits do not depend on the rows that go with it, in either direction.
fn rows_alone<T: Real>(arch: Arch) {
    let drawn = |row: usize, column: usize| T::of(((row * 31 + column * 17) as f64 * 0.37).sin());
    for (inputs, outputs) in [(45, 100), (100, 45), (64, 300)] {
        let panels = Panels::<T>::pack(arch, inputs, outputs, drawn);
        let stride = panels.rows().max(panels.padded());
        let filled = |width: usize| -> Vec<T> {
            let entry = |at: usize| if at % stride < width { drawn(at / stride + 3, at % stride) } else { T::ZERO };
            (0..17 * stride).map(entry).collect()
        };
        for by_transpose in [false, true] {
            let (from, to) = if by_transpose { (outputs, panels.rows()) } else { (inputs, panels.padded()) };
            let data = filled(from);
            let multiply = |first: usize, count: usize| {
                let mut out = vec![T::ZERO; count * to];
                let rows = Rows { data: &data[first * stride..], stride, count };
                if by_transpose {
                    arch.dispatch(Dots { rows, panels: &panels, out: &mut out, finish: Store });
                } else {
                    arch.dispatch(Product { rows, panels: &panels, out: &mut out, finish: Store });
                }
                out
            };
            let together = multiply(0, 17);
            for (first, count) in [(0, 1), (1, 2), (3, 4), (7, 3), (4, 13), (9, 8)] {
                let expected = &together[first * to..(first + count) * to];
                assert_eq!(multiply(first, count), expected, "{inputs} x {outputs}, {count} from {first}");
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_company() {
    for arch in arches() {
        rows_alone::<f32>(arch);
        rows_alone::<f64>(arch);
    }
}
