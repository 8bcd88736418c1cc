//! Backbone, head, views and the file that holds them.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open files")]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_image_defence::{
    Backbone, BackboneConfig, Defence, HeadConfig, Stage, Stem, Views, ViewsConfig, contrast, unit,
};
use thalweg_task::{LoadOptions, draws};

const LIKE: (Kind, Device) = (Kind::Double, Device::Cpu);

fn options() -> LoadOptions {
    tch::set_num_threads(1);
    LoadOptions { kind: Kind::Double, ..LoadOptions::default() }
}

fn small() -> BackboneConfig {
    BackboneConfig {
        height: 12,
        width: 10,
        stem: Stem { channels: 4, stride: 1 },
        stages: vec![
            Stage { channels: 4, blocks: 1, stride: 1, projection: false },
            Stage { channels: 6, blocks: 2, stride: 2, projection: true },
        ],
        pooled: true,
        hidden: vec![],
        classes: 3,
        ..BackboneConfig::resnet2b()
    }
}

fn drawn(config: BackboneConfig) -> Defence {
    Defence::drawn(config, HeadConfig { hidden: 8, projection: 5 }, 20, &mut StdRng::seed_from_u64(1), LIKE)
}

/// A convolution as its definition has it, `[C, H, W]` to `[O, H', W']`.
fn convolved(image: &Tensor, weight: &Tensor, bias: &Tensor, stride: i64) -> Tensor {
    let (image_size, size) = (image.size(), weight.size());
    let (height, width, kernel) = (image_size[1], image_size[2], size[2]);
    let padding = kernel / 2;
    let (rows, columns) = ((height - 1) / stride + 1, (width - 1) / stride + 1);
    let mut values = Vec::new();
    for output in 0..size[0] {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut sum = bias.double_value(&[output]);
            for (y, x) in (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x))) {
                let (from_row, from_column) = (row * stride + y - padding, column * stride + x - padding);
                if (0..height).contains(&from_row) && (0..width).contains(&from_column) {
                    let pixel = image.select(2, from_column).select(1, from_row);
                    let weights = weight.get(output).select(2, x).select(1, y);
                    sum += pixel.dot(&weights).double_value(&[]);
                }
            }
            values.push(sum);
        }
    }
    Tensor::from_slice(&values).view([size[0], rows, columns])
}

#[test]
fn the_network_is_the_one_that_its_description_says() {
    let config = small();
    let defence = drawn(config.clone());
    let named = defence.backbone.named();
    let of = |name: &str| &named.iter().find(|(own, _)| own == name).unwrap().1;
    let layer = |image: &Tensor, name: &str, stride| {
        convolved(image, of(&format!("{name}.weight")), of(&format!("{name}.bias")), stride)
    };
    let image = draws::uniform(&mut StdRng::seed_from_u64(2), &[3, 12, 10]);
    let colours = |values: &[f64; 3]| Tensor::from_slice(values).view([3, 1, 1]);
    let mut signal = layer(&((&image - colours(&config.mean)) / colours(&config.std)), "conv1", 1).relu();
    let inner = layer(&layer(&signal, "layer1.0.conv1", 1).relu(), "layer1.0.conv2", 1);
    signal = (inner + signal).relu();
    let inner = layer(&layer(&signal, "layer2.0.conv1", 2).relu(), "layer2.0.conv2", 1);
    signal = (inner + layer(&signal, "layer2.0.shortcut.0", 2)).relu();
    let inner = layer(&layer(&signal, "layer2.1.conv1", 1).relu(), "layer2.1.conv2", 1);
    signal = (inner + signal).relu();
    let expected = signal.mean_dim([1, 2].as_slice(), false, Kind::Double);
    let scores = of("linear1.weight").mv(&expected) + of("linear1.bias");
    let (features, logits) = defence.backbone.forward(&image.unsqueeze(0)).unwrap();
    assert!((features.get(0) - expected).abs().max().double_value(&[]) < 1e-12);
    assert!((logits.get(0) - scores).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn views_repeat_and_are_linear_and_keep_one_colour() {
    let config = ViewsConfig { brightness: 0.0, contrast: 0.0, ..ViewsConfig::default() };
    let views = Views::draw(&config, 7, (12, 10), LIKE);
    assert_eq!(views.count(), config.count);
    let mut random = StdRng::seed_from_u64(3);
    let (one, other) = (draws::uniform(&mut random, &[1, 3, 12, 10]), draws::uniform(&mut random, &[1, 3, 12, 10]));
    let again = Views::draw(&config, 7, (12, 10), LIKE);
    assert!(views.of(&one).unwrap().equal(&again.of(&one).unwrap()));
    assert!(!views.of(&one).unwrap().equal(&Views::draw(&config, 8, (12, 10), LIKE).of(&one).unwrap()));
    let sum = views.of(&(&one + &other)).unwrap() - views.of(&one).unwrap() - views.of(&other).unwrap();
    assert!(sum.abs().max().double_value(&[]) < 1e-12);
    // A crop of grey is grey, and a change of saturation leaves it.
    let grey = Tensor::full([1, 3, 12, 10], 0.25, LIKE);
    assert!((views.of(&grey).unwrap() - 0.25).abs().max().double_value(&[]) < 1e-12);
    assert!(views.of(&Tensor::zeros([1, 3, 10, 12], LIKE)).is_err());
}

#[test]
fn a_view_without_change_is_the_image_and_a_mirrored_one_its_mirror() {
    let still = ViewsConfig { count: 16, least_side: 1.0, flip: true, brightness: 0.0, contrast: 0.0, saturation: 0.0 };
    let image = draws::uniform(&mut StdRng::seed_from_u64(4), &[1, 3, 12, 10]);
    let views = Views::draw(&still, 1, (12, 10), LIKE).of(&image).unwrap();
    let same = |view: &Tensor, to: &Tensor| (view - to.get(0)).abs().max().double_value(&[]) < 1e-12;
    let mirror = image.flip([3]);
    let kinds: Vec<(bool, bool)> =
        (0..16).map(|view| views.get(0).get(view)).map(|view| (same(&view, &image), same(&view, &mirror))).collect();
    assert!(kinds.iter().all(|(plain, mirrored)| plain != mirrored), "{kinds:?}");
    assert!(kinds.iter().any(|(plain, _)| *plain) && kinds.iter().any(|(_, mirrored)| *mirrored));
}

#[test]
fn the_contrast_is_what_its_formula_says() {
    let mut random = StdRng::seed_from_u64(5);
    let (views, bank) = (unit(&draws::normal(&mut random, &[2, 3, 5])), unit(&draws::normal(&mut random, &[4, 5])));
    let tau = 0.3;
    let got = contrast(&views, &bank, tau).unwrap();
    for image in 0..2 {
        let view = |index: i64| views.get(image).get(index);
        let like = |a: &Tensor, b: &Tensor| (a.dot(b).double_value(&[]) / tau).exp();
        let mut sum = 0.0;
        for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))).filter(|(i, j)| i != j) {
            let others: f64 = (0..4).map(|n| like(&view(i), &bank.get(n))).sum();
            let own = like(&view(i), &view(j));
            sum -= (own / (own + others)).ln();
        }
        assert!((got.double_value(&[image]) - sum / 6.0).abs() < 1e-12);
    }
    assert!(contrast(&views.narrow(1, 0, 1), &bank, tau).is_err());
    assert!(contrast(&views, &bank.narrow(1, 0, 4), tau).is_err());
}

#[test]
fn a_file_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("defence.safetensors");
    let defence = drawn(small());
    defence.save(&path, false).unwrap();
    let back = Defence::load(&path, &options()).unwrap();
    assert_eq!((&back.classes, back.views, back.loss), (&defence.classes, defence.views, defence.loss));
    assert_eq!(back.backbone.config(), defence.backbone.config());
    for ((name, old), (other, new)) in defence.named().iter().zip(back.named()) {
        assert_eq!(*name, other);
        assert!((old - new).abs().max().double_value(&[]) < 1e-6, "{name}");
    }
    defence.save(&path, true).unwrap();
    assert!((Defence::load(&path, &options()).unwrap().bank - &defence.bank).abs().max().double_value(&[]) < 1e-3);
}

#[test]
fn a_file_with_a_number_out_of_range_is_neither_written_nor_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("defence.safetensors");
    let refused = |change: &dyn Fn(&mut Defence), part: &str| {
        let mut defence = drawn(small());
        change(&mut defence);
        let error = defence.save(&path, false).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    };
    refused(&|defence| defence.loss.temperature = 0.0, "temperature: expected 0.01 to 10, got 0");
    refused(&|defence| defence.loss.shrinkage = f64::NAN, "shrinkage: expected 0 to 1000, got NaN");
    refused(&|defence| defence.views.count = 1, "views.count: expected 2 to 32, got 1");
    refused(&|defence| defence.classes.truncate(2), "expected names of 3 classes, got 2");
    refused(&|defence| defence.classes[1] = "class 0".to_owned(), "twice");
    let narrow = Stage { channels: 8, blocks: 1, stride: 1, projection: false };
    let wrong = BackboneConfig { stages: vec![narrow], ..small() };
    assert!(wrong.check().unwrap_err().contains("needs a projection"));
    let mut long = drawn(small());
    long.bank = &long.bank * 2.0;
    long.save(&path, false).unwrap();
    let error = Defence::load(&path, &options()).unwrap_err().to_string();
    assert!(error.contains("bank: expected rows of unit length"), "{error}");
}

/// The folder of data, or `None` with a line that says why.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("THALWEG_DATA").map_or_else(beside, PathBuf::from);
    if folder.join("images/cifar10-jpeg.zip").is_file() {
        return Some(folder);
    }
    writeln!(std::io::stderr(), "skipped: no images/cifar10-jpeg.zip in {}", folder.display()).expect("stderr is open");
    None
}

/// The first pictures of each class of the test, `[B, 3, 32, 32]`, and their classes.
fn pictures(archive: &Path, each: usize) -> (Tensor, Vec<i64>) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    let classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for (label, class) in classes.into_iter().enumerate() {
        let mut names: Vec<String> = archive
            .file_names()
            .filter(|name| name.starts_with(&format!("test/{class}/")) && name.ends_with(".jpg"))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        for name in names.into_iter().take(each) {
            let mut bytes = Vec::new();
            archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
            let pixels = image::load_from_memory(&bytes).unwrap().to_rgb8().into_raw();
            images.push(Tensor::from_slice(&pixels).view([32, 32, 3]).permute([2, 0, 1]).to_kind(Kind::Float) / 255.0);
            labels.push(label as i64);
        }
    }
    (Tensor::stack(&images, 0), labels)
}

#[test]
fn the_given_classifiers_classify() {
    let Some(data) = data() else { return };
    let (images, labels) = pictures(&data.join("images/cifar10-jpeg.zip"), 40);
    let options = LoadOptions { kind: Kind::Float, ..options() };
    for (file, config, least) in
        [("cifar10_resnet2b", BackboneConfig::resnet2b(), 0.5), ("cifar10_resnet4b", BackboneConfig::resnet4b(), 0.5)]
    {
        let path = data.join(format!("weights/{file}.safetensors"));
        let backbone = Backbone::read_plain(&path, config, &options).unwrap();
        let (_, logits) = tch::no_grad(|| backbone.forward(&images)).unwrap();
        let hits = logits.argmax(1, false).eq_tensor(&Tensor::from_slice(&labels)).sum(Kind::Int64).int64_value(&[]);
        let share = hits as f64 / labels.len() as f64;
        writeln!(std::io::stderr(), "{file}: {:.1} % of {} test images", 100.0 * share, labels.len())
            .expect("stderr is open");
        assert!(share > least, "{file}: {share}");
    }
    let error =
        Backbone::read_plain(&data.join("weights/cifar10_resnet2b.safetensors"), BackboneConfig::resnet4b(), &options);
    assert!(error.unwrap_err().to_string().contains("expected"));
}
