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

/// Kinds of lines of the program: three products, from one list to the other, of theta's own step if there is one, and added
/// to what is there; the others keep and bring back what a region has, pull x, and score.
const DENSE: usize = 0;
const METRIC: usize = 1;
const ADD: usize = 2;
const KEEP: usize = 3;
const BRING: usize = 4;
const PRIOR: usize = 5;
const SCORE: usize = 6;

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
    /// Where the program begins.
    pub(super) program_at: usize,
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
            ("PROGRAM", self.program_at),
            ("LINES", self.program().len() / 12),
            ("METRIC", METRIC),
            ("ADD", ADD),
            ("KEEP", KEEP),
            ("BRING", BRING),
            ("PRIOR", PRIOR),
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

    /// The program that an evaluation goes through, twelve numbers a line.
    pub(super) fn program(&self) -> Vec<f32> {
        let state = self.state();
        let keep = |region: &str, width: usize| Line { region: state.at(region), width, ..Line::of(KEEP) };
        let mut lines = Vec::new();
        if self.theta == 0 {
            lines.push(keep("X_AT", self.latent()));
        }
        self.forward(&mut lines, &state);
        lines.extend([keep("RAW_AT", self.raw()), Line::of(SCORE)]);
        self.reverse(&mut lines, &state);
        lines.iter().flat_map(Line::numbers).collect()
    }

    /// The way from z to the layers' output.
    fn forward(&self, lines: &mut Vec<Line>, state: &Regions) {
        let gates = self.gates().1;
        for (index, stage) in self.stages.iter().enumerate() {
            let line = self.product(DENSE, stage.forward, (stage.inputs, stage.outputs));
            lines.push(Line { bias: Some(stage.bias), gate: stage.slope.zip(gates[index]), ..line });
            if index + 1 == self.theta {
                if let Some((forward, _)) = self.skip {
                    lines.extend(self.beside((state.at("TRIAL"), self.dim()), (forward, self.latent())));
                }
                lines.push(Line { region: state.at("X_AT"), width: self.latent(), ..Line::of(KEEP) });
            }
        }
    }

    /// The way back, from the derivative with respect to the layers' output to the gradient.
    fn reverse(&self, lines: &mut Vec<Line>, state: &Regions) {
        let gates = self.gates().1;
        let by_x = (state.at("BY_X"), self.latent());
        for (index, stage) in self.stages.iter().enumerate().rev() {
            let gate = index.checked_sub(1).and_then(|before| self.stages[before].slope.zip(gates[before]));
            let line = self.product(DENSE, stage.backward, (stage.outputs, stage.inputs));
            lines.push(Line { gate, is_back: true, ..line });
            if index == self.theta {
                lines.push(Line::of(PRIOR));
                if let Some((at, count)) = self.metrics {
                    lines.push(Line { count, ..self.product(METRIC, at, (by_x.1, by_x.1)) });
                }
                if self.skip.is_some() {
                    lines.push(Line { region: by_x.0, width: by_x.1, ..Line::of(KEEP) });
                }
            }
        }
        if let Some((_, backward)) = self.skip {
            lines.extend(self.beside(by_x, (backward, self.dim())));
        }
    }

    /// A product of what was kept in a region, added to what is there.
    fn beside(&self, (region, width): (usize, usize), (base, outputs): (usize, usize)) -> [Line; 2] {
        let bring = Line { region, width, padded: 4 * quads(width), ..Line::of(BRING) };
        [bring, Line { parts: 1, ..self.product(ADD, base, (width, outputs)) }]
    }

    fn product(&self, kind: usize, base: usize, (inputs, outputs): (usize, usize)) -> Line {
        let (padded, quads) = (4 * quads(inputs), quads(outputs));
        // A line of a product has these three where others have a region.
        Line { region: base, width: padded, padded: quads, parts: self.parts(padded, quads), ..Line::of(kind) }
    }

    /// Into how many parts the inputs are split among threads.
    fn parts(&self, inputs: usize, quads: usize) -> usize {
        (THREADS / quads).min(self.widest() / (4 * quads)).min(inputs / 4).max(1)
    }
}

/// A line of the program; what it has not, is zero.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    kind: usize,
    /// Where the numbers of a product begin, in fours, or a region of `state`.
    region: usize,
    /// Its inputs, padded, or the width of the region.
    width: usize,
    /// Fours of outputs, or units that are filled.
    padded: usize,
    parts: usize,
    bias: Option<usize>,
    /// The rectifier's slope below zero, and where its gates are.
    gate: Option<(f32, usize)>,
    is_back: bool,
    /// How many metrics there are.
    count: usize,
}

impl Line {
    fn of(kind: usize) -> Self {
        Self { kind, ..Self::default() }
    }

    /// As `evaluate` in `descent.wgsl` reads it. Whole numbers up to 2^24 are exact.
    fn numbers(&self) -> [f32; 12] {
        let place = |at: Option<usize>| at.map_or(0, |at| at + 1) as f32;
        let (slope, gate) = self.gate.unzip();
        let [kind, region, width, padded, parts, count] =
            [self.kind, self.region, self.width, self.padded, self.parts, self.count].map(|number| number as f32);
        let is_back = if self.is_back { 1.0 } else { 0.0 };
        [
            kind,
            region,
            width,
            padded,
            parts,
            place(self.bias),
            place(gate),
            is_back,
            slope.unwrap_or(1.0),
            count,
            0.0,
            0.0,
        ]
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
    text.push('\n');
}
