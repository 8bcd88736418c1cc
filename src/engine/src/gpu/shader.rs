//! Writes the shader of a model: its constants and the order of its layers, before parts that all models share.

/// Threads of a workgroup.
pub(super) const THREADS: usize = 128;

/// Registers of a joint or leaf in `places.wgsl`.
const REGISTERS: usize = 33;

/// Words at the head of what is uploaded, before the jobs.
pub(super) const HEADER: usize = 32;

/// Names of the words at the head, in their order; the jobs follow after [`HEADER`] words.
const WORDS: [&str; 21] = [
    "COUNT",
    "FIRST",
    "LAST",
    "ROWS",
    "COLUMNS",
    "OWN_STEPS",
    "GIVEN",
    "OFFER",
    "OFFSET",
    "VALUE",
    "WEIGHT",
    "PLACES_VALUE",
    "PLACES_WEIGHT",
    "SCALE",
    "CENTRE",
    "CONSTANT",
    "RATE",
    "BETA1",
    "BETA2",
    "EPSILON",
    "DECAY",
];

/// Place of a word at the head.
pub(super) fn word(name: &str) -> usize {
    WORDS.iter().position(|word| *word == name).unwrap_or(HEADER - 1)
}

/// Number of four units that hold so many.
pub(super) fn quads(units: usize) -> usize {
    units.div_ceil(4)
}

/// A layer, where its numbers lie among the packed weights, in fours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) forward: usize,
    pub(super) backward: usize,
    pub(super) bias: usize,
    /// Slope of the rectifier below zero; none where none follows.
    pub(super) slope: Option<f32>,
}

/// What follows the layers.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeadStage {
    /// `kinds`: where it says which numbers are sines and cosines.
    Plain {
        kinds: usize,
        least_length: f32,
    },
    Rotations {
        joints: usize,
        vector: Option<f32>,
        least_length: f32,
        least_cosine: f32,
        series: usize,
    },
}

/// Joints and leaves of a tree, and where they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeStage {
    pub(super) places: usize,
    pub(super) at: usize,
}

/// All that a shader is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// theta's layers, then those of F.
    pub(super) stages: Vec<Stage>,
    /// How many are theta's.
    pub(super) theta: usize,
    /// The linear map beside theta's layers: forward and backward.
    pub(super) skip: Option<(usize, usize)>,
    /// Metrics of theta's own steps, and how many.
    pub(super) metrics: Option<(usize, usize)>,
    pub(super) head: HeadStage,
    pub(super) tree: Option<TreeStage>,
}

/// Regions of what stays on the device, in numbers of one hypothesis: names and widths.
#[derive(Clone, Debug)]
pub(super) struct Regions(Vec<(&'static str, usize)>);

impl Regions {
    /// Where a region begins, to be multiplied by the number of hypotheses.
    pub(super) fn at(&self, name: &str) -> usize {
        self.0.iter().take_while(|(other, _)| *other != name).map(|(_, width)| width).sum()
    }

    /// Numbers of one hypothesis.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, width)| width).sum()
    }
}

impl Plan {
    /// Dimension `Z`.
    pub(super) fn dim(&self) -> usize {
        self.stages[0].inputs
    }

    /// Dimension `X`.
    pub(super) fn latent(&self) -> usize {
        self.stages[self.theta].inputs
    }

    /// Width of the layers' output.
    pub(super) fn raw(&self) -> usize {
        self.stages[self.stages.len() - 1].outputs
    }

    /// Units of the widest list.
    fn widest(&self) -> usize {
        let widths = self.stages.iter().flat_map(|stage| [stage.inputs, stage.outputs]);
        4 * quads(widths.max().unwrap_or(1))
    }

    /// Words of gates, and where each layer's begin.
    fn gates(&self) -> (usize, Vec<Option<usize>>) {
        let mut next = 0;
        let place = |stage: &Stage| {
            let at = next;
            stage.slope.map(|_| {
                next += quads(stage.outputs);
                at
            })
        };
        let places = self.stages.iter().map(place).collect();
        (next.max(1), places)
    }

    /// Bytes of a workgroup's memory.
    pub(super) fn shared_bytes(&self) -> usize {
        2 * 16 * self.widest() + 4 * self.gates().0 + 16 * self.raw() + 16 * THREADS
    }

    /// What stays on the device.
    pub(super) fn state(&self) -> Regions {
        let (z, x, raw) = (self.dim(), self.latent(), self.raw());
        let (joints, places) = match (self.head, self.tree) {
            (HeadStage::Rotations { joints, .. }, Some(tree)) => (joints, tree.places),
            _ => (0, 0),
        };
        Regions(vec![
            ("PROGRESS_AT", 4),
            ("GRADIENT_AT", z),
            ("FIRST_AT", z),
            ("SECOND_AT", z),
            ("TRIAL", z),
            ("X_AT", x),
            ("BY_X", x),
            ("RAW_AT", raw),
            ("BY_LOCAL", 9 * joints),
            ("REGISTERS_AT", REGISTERS * places),
        ])
    }

    /// What is downloaded; a trace of two numbers for each evaluation follows.
    pub(super) fn answer(&self) -> Regions {
        let (z, x, raw) = (self.dim(), self.latent(), self.raw());
        Regions(vec![("TAKEN", 1), ("NOW", z), ("BEST_Z", z), ("BEST_X", x), ("BEST_RAW", raw)])
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut text = self.constants();
        text.push_str(include_str!("shader/buffers.wgsl"));
        text.push_str(include_str!("shader/layers.wgsl"));
        text.push_str(match self.head {
            HeadStage::Plain { .. } => include_str!("shader/plain.wgsl"),
            HeadStage::Rotations { .. } => include_str!("shader/rotations.wgsl"),
        });
        text.push_str(match self.tree {
            Some(_) => include_str!("shader/places.wgsl"),
            None => include_str!("shader/no_places.wgsl"),
        });
        text.push_str(include_str!("shader/descent.wgsl"));
        text.push_str(&self.forward());
        text.push_str(&self.reverse());
        text
    }

    fn constants(&self) -> String {
        let (z, x, raw) = (self.dim(), self.latent(), self.raw());
        let mut all: Vec<(&str, usize)> = vec![
            ("THREADS", THREADS),
            ("HEADER", HEADER),
            ("WIDEST", self.widest()),
            ("GATES", self.gates().0),
            ("Z", z),
            ("Z_PADDED", 4 * quads(z)),
            ("X", x),
            ("RAW", raw),
        ];
        all.extend(WORDS.iter().enumerate().map(|(at, word)| (*word, at)));
        for regions in [self.state(), self.answer()] {
            all.extend(regions.0.iter().map(|(name, _)| (*name, regions.at(name))));
        }
        all.push(("TRACE", self.answer().width()));
        if let Some(tree) = self.tree {
            all.extend([("REGISTERS", REGISTERS), ("PLACES", tree.places), ("TREE", tree.at)]);
        }
        let mut numbers = vec![("LEAST_DECAY", crate::optimizer::adam::LEAST_DECAY as f32)];
        let mut text = String::new();
        match self.head {
            HeadStage::Plain { kinds, least_length } => {
                all.push(("KINDS", kinds));
                numbers.push(("LEAST_LENGTH", least_length));
            }
            HeadStage::Rotations { joints, vector, least_length, least_cosine, series } => {
                all.extend([
                    ("JOINTS", joints),
                    ("SERIES", series),
                    ("FEATURES", if vector.is_some() { 3 } else { 9 }),
                ]);
                numbers.extend([("LEAST_LENGTH", least_length), ("LEAST_COSINE", least_cosine)]);
                numbers.push(("LEAST_ANGLE", vector.unwrap_or(1.0)));
                line(&mut text, format_args!("const IS_VECTOR: bool = {};", vector.is_some()));
            }
        }
        for (name, value) in all {
            line(&mut text, format_args!("const {name}: u32 = {value}u;"));
        }
        for (name, value) in numbers {
            line(&mut text, format_args!("const {name}: f32 = {value:e}f;"));
        }
        text
    }

    /// The way from z to the layers' output.
    fn forward(&self) -> String {
        let mut text = String::from("\nfn forward(rows: Rows, thread: u32) -> u32 {\n    var at = 0u;\n");
        if self.theta == 0 {
            line(&mut text, format_args!("    kept(X_AT, X, at, rows, thread);"));
        }
        let gates = self.gates().1;
        for (index, stage) in self.stages.iter().enumerate() {
            let finish = finish(Some(stage.bias), stage.slope.zip(gates[index]), false);
            self.product(&mut text, stage.forward, (stage.inputs, stage.outputs), &finish);
            if index + 1 == self.theta {
                if let Some((forward, _)) = self.skip {
                    let (z, x) = (self.dim(), self.latent());
                    line(
                        &mut text,
                        format_args!("    brought(TRIAL, Z, {}u, WIDEST - at, rows, thread);", 4 * quads(z)),
                    );
                    line(
                        &mut text,
                        format_args!("    add_dense({forward}u, {}u, {}u, at, thread);", 4 * quads(z), quads(x)),
                    );
                }
                line(&mut text, format_args!("    kept(X_AT, X, at, rows, thread);"));
            }
        }
        text.push_str("    return at;\n}\n");
        text
    }

    /// The way back, from the derivative with respect to the layers' output to the gradient.
    fn reverse(&self) -> String {
        let mut text = String::from("\nfn reverse(from_at: u32, index: u32, rows: Rows, thread: u32) -> u32 {\n");
        text.push_str("    var at = from_at;\n");
        let gates = self.gates().1;
        for (index, stage) in self.stages.iter().enumerate().rev() {
            let before = index.checked_sub(1).and_then(|before| self.stages[before].slope.zip(gates[before]));
            let finish = finish(None, before, true);
            self.product(&mut text, stage.backward, (stage.outputs, stage.inputs), &finish);
            if index == self.theta {
                line(&mut text, format_args!("    add_prior(at, rows, thread);"));
                self.through_metric(&mut text);
                if self.skip.is_some() {
                    line(&mut text, format_args!("    kept(BY_X, X, at, rows, thread);"));
                }
            }
        }
        if let Some((_, backward)) = self.skip {
            let (z, x) = (self.dim(), self.latent());
            line(&mut text, format_args!("    brought(BY_X, X, {}u, WIDEST - at, rows, thread);", 4 * quads(x)));
            line(&mut text, format_args!("    add_dense({backward}u, {}u, {}u, at, thread);", 4 * quads(x), quads(z)));
        }
        text.push_str("    return at;\n}\n");
        text
    }

    /// The derivative with respect to x through the metric of one of theta's own steps.
    fn through_metric(&self, text: &mut String) {
        if let Some((at, count)) = self.metrics {
            let x = self.latent();
            let (padded, each) = (4 * quads(x), 4 * quads(x) * quads(x));
            line(text, format_args!("    if (index < min(input[OWN_STEPS], {count}u)) {{"));
            let finish = finish(None, None, true);
            let parts = self.parts(padded, quads(x));
            line(
                text,
                format_args!(
                    "        at = dense({at}u + index * {each}u, {padded}u, {}u, {parts}u, {finish}, at, thread);",
                    quads(x)
                ),
            );
            text.push_str("    }\n");
        }
    }

    fn product(&self, text: &mut String, base: usize, (inputs, outputs): (usize, usize), finish: &str) {
        let (padded, quads) = (4 * quads(inputs), quads(outputs));
        let parts = self.parts(padded, quads);
        line(text, format_args!("    at = dense({base}u, {padded}u, {quads}u, {parts}u, {finish}, at, thread);"));
    }

    /// Into how many parts the inputs are split among threads.
    fn parts(&self, inputs: usize, quads: usize) -> usize {
        (THREADS / quads).min(self.widest() / (4 * quads)).min(inputs / 4).max(1)
    }
}

/// How a product ends; a gate has a slope and a place.
fn finish(bias: Option<usize>, gate: Option<(f32, usize)>, is_back: bool) -> String {
    let word = |at: Option<usize>| at.map_or_else(|| "NEVER".to_owned(), |at| format!("{at}u"));
    let slope = gate.map_or(1.0, |(slope, _)| slope);
    format!("Finish({}, {slope:e}f, {}, {is_back})", word(bias), word(gate.map(|(_, at)| at)))
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
    text.push('\n');
}
