//! F as dense layers: what was learned, what follows it, and limits that are never left.

use tch::{Device, Kind, Tensor};
use thalweg_nn::Perceptron;
use thalweg_task::Result;

use crate::layout::Column;

/// Slope of the leaky rectifiers below zero, the same as theta's.
pub(crate) const SLOPE: f64 = 0.2;

/// Widths of the learned layers: latent, hidden, hidden, learned numbers.
pub(crate) fn widths(latent: i64, hidden: i64, learned: i64) -> [i64; 4] {
    [latent, hidden, hidden, learned]
}

/// Puts two layers behind the learned ones, `parameters`: from the R learned numbers to the Y of `columns`, bounded.
///
/// With E the sums of columns, `y = E r` goes into the last learned layer, and with a the slope of the rectifier l,
/// `clamp(y, b, c) = b + [l(y - b) - l(y - c) - a (c - b)] / (1 - a)` is a layer of 2 Y units and one of Y.
pub(crate) fn bounded(parameters: &[Tensor], columns: &[Column]) -> Result<Perceptron> {
    let (kind, device) = parameters.last().map_or((Kind::Float, Device::Cpu), |last| (last.kind(), last.device()));
    let mut layers: Vec<Tensor> = parameters.iter().map(|tensor| tensor.to_kind(Kind::Double)).collect();
    let (bias, weight) = (layers.pop(), layers.pop());
    let (Some(bias), Some(weight)) = (bias, weight) else { return Ok(Perceptron::from_parameters(parameters, SLOPE)?) };
    let learned = weight.size()[0];
    let sums: Vec<f64> = columns.iter().flat_map(|column| row(&column.sum, learned as usize)).collect();
    let sums = Tensor::from_slice(&sums).view([-1, learned]).to_device(device);
    let (weight, bias) = (sums.matmul(&weight), sums.mv(&bias));
    let bound = |end: usize| {
        let bounds: Vec<f64> = columns.iter().map(|column| column.bounds[end]).collect();
        Tensor::from_slice(&bounds).to_device(device)
    };
    let (lower, upper) = (bound(0), bound(1));
    layers.push(Tensor::cat(&[&weight, &weight], 0));
    layers.push(Tensor::cat(&[&bias - &lower, &bias - &upper], 0));
    let unit = Tensor::eye(columns.len() as i64, (Kind::Double, device)) / (1.0 - SLOPE);
    layers.push(Tensor::cat(&[&unit, &(-&unit)], 1));
    layers.push(&lower - (&upper - &lower) * (SLOPE / (1.0 - SLOPE)));
    let layers: Vec<Tensor> = layers.iter().map(|tensor| tensor.to_kind(kind).contiguous()).collect();
    Ok(Perceptron::from_parameters(&layers, SLOPE)?)
}

fn row(sum: &[(usize, f64)], width: usize) -> Vec<f64> {
    let mut row = vec![0.0; width];
    sum.iter().filter(|(place, _)| *place < width).for_each(|(place, factor)| row[*place] = *factor);
    row
}

/// Brings pairs of sine and cosine at `circles`, places of sines in `[K, Y]`, to length one.
pub(crate) fn rounded(output: Tensor, circles: &[usize], least_length: f64) -> Tensor {
    if circles.is_empty() {
        return output;
    }
    let mut columns = output.unbind(1);
    for &place in circles {
        let (sine, cosine) = (columns[place].shallow_clone(), columns[place + 1].shallow_clone());
        let length = (sine.square() + cosine.square() + least_length * least_length).sqrt();
        columns[place] = sine / &length;
        columns[place + 1] = cosine / length;
    }
    Tensor::stack(&columns, 1)
}
