//! Small systems of equations with a symmetric positive definite matrix.

/// A lower triangular factor L with `L L' = A`, row by row.
#[derive(Debug)]
pub(super) struct Cholesky {
    factor: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Factors `matrix`, `[N, N]`; none where it is not positive definite.
    pub(super) fn new(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        debug_assert_eq!(matrix.len(), size * size, "a square");
        for row in 0..size {
            for column in 0..=row {
                let (upper, lower) = matrix.split_at_mut(row * size);
                let other = if column == row { &lower[..column] } else { &upper[column * size..][..column] };
                let inner: f64 = lower[..column].iter().zip(other).map(|(a, b)| a * b).sum();
                let rest = lower[column] - inner;
                lower[column] = if column < row { rest / upper[column * size + column] } else { rest.sqrt() };
            }
            let pivot = matrix[row * size + row];
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
        }
        Some(Self { factor: matrix, size })
    }

    /// Solves `A x = right` in place.
    pub(super) fn solve(&self, right: &mut [f64]) {
        for row in 0..self.size {
            let (known, rest) = right.split_at_mut(row);
            let factor = &self.factor[row * self.size..];
            let inner: f64 = factor[..row].iter().zip(known).map(|(a, b)| a * *b).sum();
            rest[0] = (rest[0] - inner) / factor[row];
        }
        for row in (0..self.size).rev() {
            let (rest, known) = right.split_at_mut(row + 1);
            let below = (row + 1..self.size).map(|other| self.factor[other * self.size + row]);
            let inner: f64 = below.zip(known).map(|(a, b)| a * *b).sum();
            rest[row] = (rest[row] - inner) / self.factor[row * self.size + row];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_one_that_is_none_is_told() {
        let matrix = vec![4.0, 2.0, 0.4, 2.0, 5.0, 1.0, 0.4, 1.0, 3.0];
        let mut right = vec![1.0, -2.0, 0.5];
        Cholesky::new(matrix.clone(), 3).expect("positive definite").solve(&mut right);
        for (row, expected) in matrix.chunks(3).zip([1.0, -2.0, 0.5]) {
            let got: f64 = row.iter().zip(&right).map(|(a, b)| a * b).sum();
            assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
        }
        assert!(Cholesky::new(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::new(vec![f64::NAN], 1).is_none());
    }
}
