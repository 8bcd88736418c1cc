//! A landscape and a task on a device: packed weights, the shader, and memory for descents.

use std::sync::Mutex;

use tch::Tensor;
use thalweg_nn::Perceptron;
use thalweg_task::{
    DenseForm, DenseHead, KinematicTree, RotationFeatures, RotationHead, SerialAngles, Target, Task, lock, numbers,
};
use wgpu::{BindGroup, Buffer, BufferUsages, ComputePipeline};

use super::GpuError;
use super::device::Gpu;
use super::shader::{HEADER, HeadStage, Plan, Stage, THREADS, TreeStage, quads};
use crate::landscape::{Landscape, Steps};
use crate::native::{Comparison, PriorTerm, prior_term, vectors};
use crate::prior::Prior;

/// `L(F(theta(z)))` on a device.
#[derive(Debug)]
pub(crate) struct GpuModel {
    gpu: Gpu,
    plan: Plan,
    comparison: Comparison,
    pipeline: ComputePipeline,
    weights: Buffer,
    /// Memory of descents that have ended.
    spaces: Mutex<Vec<Space>>,
}

/// A target as numbers, with what pulls `x`.
#[derive(Debug)]
pub(crate) struct GpuTarget {
    /// One row for all hypotheses, or one for each.
    pub(super) rows: usize,
    /// Columns of a joint, without places.
    pub(super) columns: usize,
    pub(super) value: Vec<f32>,
    pub(super) weight: Vec<f32>,
    /// Value and weight of places.
    pub(super) places: Option<[Vec<f32>; 2]>,
    pub(super) prior: Option<PriorTerm<f32>>,
}

/// Memory of a descent.
#[derive(Debug)]
pub(super) struct Space {
    hypotheses: usize,
    /// How many words may be uploaded, and how many numbers downloaded.
    words: usize,
    numbers: usize,
    input: Buffer,
    answer: Buffer,
    taken: Buffer,
    group: BindGroup,
}

impl GpuModel {
    /// Packs a task's layers behind those of theta, and compiles the shader.
    ///
    /// # Errors
    /// [`GpuError::Unfit`] where the task is no dense layers in single precision on a CPU, [`GpuError`] about the device.
    pub(crate) fn new(gpu: &Gpu, task: &dyn Task, landscape: &Landscape) -> Result<Self, GpuError> {
        Self::with_text(gpu, task, landscape, Plan::text)
    }

    /// As [`GpuModel::new`], with a shader of another text.
    pub(super) fn with_text(
        gpu: &Gpu,
        task: &dyn Task,
        landscape: &Landscape,
        text: impl FnOnce(&Plan) -> String,
    ) -> Result<Self, GpuError> {
        gpu.check()?;
        let spec = task.spec();
        let unfit = |reason: &str| GpuError::Unfit { task: spec.name.clone(), reason: reason.to_owned() };
        if spec.kind != tch::Kind::Float || spec.device != tch::Device::Cpu {
            return Err(unfit("it computes in another element type than Float, or on another device"));
        }
        let form = task.dense().ok_or_else(|| unfit("it is no dense layers"))?;
        if matches!(form.head, DenseHead::Links(_)) {
            return Err(unfit("places of links and clouds are compared on a CPU only"));
        }
        // WGSL promises three digits of a sine.
        if matches!(form.head, DenseHead::Chords(_)) {
            return Err(unfit("chords of angles are compared on a CPU only"));
        }
        let (plan, packed, comparison) =
            pack(&form, landscape).ok_or_else(|| unfit("its description does not fit together"))?;
        let limits = gpu.device().limits();
        let checks = [
            ("memory of a workgroup, bytes", plan.shared_bytes(), limits.max_compute_workgroup_storage_size),
            ("threads of a workgroup", THREADS, limits.max_compute_invocations_per_workgroup),
        ];
        for (what, needed, limit) in checks {
            let (needed, limit) = (needed as u64, u64::from(limit));
            if needed > limit {
                return Err(GpuError::TooLarge { what, needed, limit });
            }
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let weights = gpu.buffer("weights, bytes", packed.len(), usage)?;
        gpu.queue().write_buffer(&weights, 0, &bytes(packed.iter().map(|number| number.to_bits())));
        let pipeline = compile(gpu, &text(&plan))?;
        Ok(Self { gpu: gpu.clone(), plan, comparison, pipeline, weights, spaces: Mutex::default() })
    }

    pub(crate) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes over a target; none where it has not the form that the task described, or places that may be seen from
    /// anywhere, whose transform only the other backends fit.
    pub(crate) fn encode(&self, target: &Target, prior: &Prior) -> Option<GpuTarget> {
        let encoded = self.comparison.encode::<f32>(target)?;
        let ((rows, [value, weight]), places) = (encoded.all_features(), encoded.all_places());
        if places.is_some() && self.comparison.has_free_root() {
            return None;
        }
        let columns = match self.plan.head {
            HeadStage::Plain { .. } => 1,
            HeadStage::Rotations { joints, .. } => value.len() / (rows * joints).max(1),
        };
        let (value, weight) = (value.to_vec(), weight.to_vec());
        let places = places.map(|both| both.map(<[f32]>::to_vec));
        Some(GpuTarget { rows, columns, value, weight, places, prior: prior_term(prior) })
    }

    /// F's output from that of the layers, `[K, raw]`.
    pub(super) fn outputs(&self, raw: &[f32]) -> Vec<f32> {
        let (from, to) = (self.plan.raw(), self.comparison.width());
        let mut outputs = vec![0.0; raw.len() / from * to];
        let rows = raw.chunks_exact(from).zip(outputs.chunks_exact_mut(to));
        rows.for_each(|(raw, output)| self.comparison.apply(raw, output));
        outputs
    }

    /// Finds memory for so many hypotheses, words and numbers.
    pub(super) fn space(&self, hypotheses: usize, words: usize, numbers: usize) -> Result<Space, GpuError> {
        let limit = self.gpu.device().limits().max_compute_workgroups_per_dimension;
        let (needed, limit) = (hypotheses.div_ceil(4) as u64, u64::from(limit));
        if needed > limit {
            return Err(GpuError::TooLarge { what: "workgroups of four hypotheses", needed, limit });
        }
        let fits = |space: &Space| space.hypotheses == hypotheses && space.words >= words && space.numbers >= numbers;
        let mut spaces = lock(&self.spaces);
        let found = spaces.iter().position(fits).map(|at| spaces.swap_remove(at));
        // What does not fit now will not fit the next one either.
        spaces.clear();
        drop(spaces);
        found.map_or_else(|| self.allocate(hypotheses, words, numbers), Ok)
    }

    fn allocate(&self, hypotheses: usize, words: usize, numbers: usize) -> Result<Space, GpuError> {
        let Self { gpu, plan, .. } = self;
        let (into, out) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC);
        let state = plan.state().width() * hypotheses;
        let state = gpu.buffer("state of the hypotheses, bytes", state, BufferUsages::STORAGE)?;
        let input = gpu.buffer("input, bytes", words, BufferUsages::STORAGE | into)?;
        let answer = gpu.buffer("answer, bytes", numbers, BufferUsages::STORAGE | out)?;
        let taken = gpu.buffer("answer, bytes", numbers, BufferUsages::MAP_READ | into)?;
        let entries: Vec<wgpu::BindGroupEntry<'_>> = [&self.weights, &input, &state, &answer]
            .into_iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("descent"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        gpu.check()?;
        Ok(Space { hypotheses, words, numbers, input, answer, taken, group })
    }

    /// Takes memory back.
    pub(super) fn give_back(&self, space: Space) {
        if self.gpu.trouble().is_none() {
            lock(&self.spaces).push(space);
        }
    }

    /// One submission: uploads words, runs the shader for all hypotheses, downloads `numbers` numbers.
    pub(super) fn submit(&self, space: &Space, words: &[u32], numbers: usize) -> Result<Vec<f32>, GpuError> {
        let Self { gpu, .. } = self;
        gpu.check()?;
        gpu.queue().write_buffer(&space.input, 0, &bytes(words.iter().copied()));
        let mut commands = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &space.group, &[]);
        pass.dispatch_workgroups(space.hypotheses.div_ceil(4) as u32, 1, 1);
        drop(pass);
        commands.copy_buffer_to_buffer(&space.answer, 0, &space.taken, 0, 4 * numbers as u64);
        let submitted = gpu.queue().submit([commands.finish()]);
        gpu.read(submitted, &space.taken, numbers)
    }
}

fn bytes(words: impl Iterator<Item = u32>) -> Vec<u8> {
    words.flat_map(u32::to_le_bytes).collect()
}

fn compile(gpu: &Gpu, text: &str) -> Result<ComputePipeline, GpuError> {
    let source = wgpu::ShaderSource::Wgsl(text.into());
    let module =
        gpu.device().create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("descent.wgsl"), source });
    gpu.check()?;
    let pipeline = gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("descent"),
        layout: None,
        module: &module,
        entry_point: Some("descend"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    gpu.check()?;
    Ok(pipeline)
}

/// Numbers in fours, as the shader reads them.
#[derive(Default)]
struct Packed(Vec<f32>);

impl Packed {
    /// Adds `[inputs, outputs]`, both padded to fours; returns where it begins, in fours.
    fn add(&mut self, inputs: usize, outputs: usize, at: impl Fn(usize, usize) -> f32) -> usize {
        let begin = self.0.len() / 4;
        for input in 0..4 * quads(inputs) {
            let entry = |output| if input < inputs && output < outputs { at(input, output) } else { 0.0 };
            self.0.extend((0..4 * quads(outputs)).map(entry));
        }
        begin
    }

    fn row(&mut self, numbers: &[f32]) -> usize {
        let begin = self.0.len() / 4;
        self.0.extend_from_slice(numbers);
        self.0.resize(4 * self.0.len().div_ceil(4), 0.0);
        begin
    }

    /// A matrix, `[out, in]`, in both directions: forward and backward.
    fn both(&mut self, matrix: &Tensor) -> (usize, usize) {
        let (outputs, inputs) = (matrix.size()[0] as usize, matrix.size()[1] as usize);
        let values: Vec<f32> = numbers(matrix);
        let forward = self.add(inputs, outputs, |input, output| values[output * inputs + input]);
        (forward, self.add(outputs, inputs, |output, input| values[output * inputs + input]))
    }

    fn stages(&mut self, perceptron: &Perceptron) -> Vec<Stage> {
        let parameters = perceptron.parameters();
        let last = (parameters.len() / 2).saturating_sub(1);
        let mut stages = Vec::new();
        for (index, pair) in parameters.chunks_exact(2).enumerate() {
            let (outputs, inputs) = (pair[0].size()[0] as usize, pair[0].size()[1] as usize);
            let (forward, backward) = self.both(&pair[0]);
            let bias = self.row(&numbers::<f32>(&pair[1]));
            let slope = (index < last).then(|| perceptron.slope() as f32);
            stages.push(Stage { inputs, outputs, forward, backward, bias, slope });
        }
        stages
    }

    fn metrics(&mut self, steps: &Steps) -> (usize, usize) {
        let count = steps.count();
        let all = (0..count).map(|step| {
            let metric = steps.metric().get(step);
            let (size, values) = (metric.size()[0] as usize, numbers::<f32>(&metric));
            self.add(size, size, |row, column| values[row * size + column])
        });
        (all.collect::<Vec<_>>().first().copied().unwrap_or(0), count as usize)
    }

    fn head(&mut self, head: &DenseHead, raw: usize) -> Option<(HeadStage, Option<TreeStage>)> {
        Some(match head {
            DenseHead::Plain => (HeadStage::Plain { kinds: self.row(&vec![0.0; raw]), least_length: 1.0 }, None),
            DenseHead::Circles { sines, least_length } => {
                let mut kinds = vec![0.0; raw];
                sines.iter().for_each(|sine| kinds[*sine..=sine + 1].copy_from_slice(&[1.0, 2.0]));
                (HeadStage::Plain { kinds: self.row(&kinds), least_length: *least_length as f32 }, None)
            }
            DenseHead::Chords(_) | DenseHead::Links(_) => return None,
            DenseHead::Rotations(head) => {
                let RotationHead { features, angles, least_length, least_cosine, tree, .. } = head;
                let vector = match features {
                    RotationFeatures::Matrix => None,
                    RotationFeatures::Vector { least_angle } => Some(*least_angle as f32),
                };
                let series: Vec<f32> = angles.iter().flat_map(series).collect();
                let (joints, series) = (raw / 6, self.row(&series));
                let (least_length, least_cosine) = (*least_length as f32, *least_cosine as f32);
                let stage = HeadStage::Rotations { joints, vector, least_length, least_cosine, series };
                (stage, tree.as_ref().map(|tree| self.tree(tree)))
            }
        })
    }

    fn tree(&mut self, tree: &KinematicTree) -> TreeStage {
        let entry = |(parent, offset): (&Option<usize>, &[f64; 3])| {
            let [x, y, z] = offset.map(|entry| entry as f32);
            [x, y, z, parent.map_or(0.0, |parent| parent as f32 + 1.0)]
        };
        let all: Vec<f32> = tree.parents.iter().zip(&tree.offsets).flat_map(entry).collect();
        TreeStage { places: tree.parents.len(), at: self.row(&all) }
    }
}

/// How the angles of a joint are read: entries of the matrix, and a sign.
fn series(angles: &SerialAngles) -> [f32; 8] {
    let [a, b, c, d, e] = angles.entries.map(|entry| entry as f32);
    [a, b, c, d, e, if angles.cyclic { 1.0 } else { -1.0 }, 0.0, 0.0]
}

/// Packs everything; none when the description does not fit together.
fn pack(form: &DenseForm<'_>, landscape: &Landscape) -> Option<(Plan, Vec<f32>, Comparison)> {
    let mut packed = Packed::default();
    let mut stages = landscape.perceptron().map_or_else(Vec::new, |theta| packed.stages(theta));
    let theta = stages.len();
    stages.extend(packed.stages(form.layers));
    let is_chain = stages.windows(2).all(|pair| pair[0].outputs == pair[1].inputs);
    let raw = stages.get(theta..).and_then(<[Stage]>::last).filter(|_| is_chain)?.outputs;
    let comparison = Comparison::new(vectors(), form.head.clone(), raw)?;
    let skip = landscape.perceptron().and_then(Perceptron::skip).map(|skip| packed.both(skip));
    let metrics = landscape.steps().map(|steps| packed.metrics(steps));
    let (head, tree) = packed.head(&form.head, raw)?;
    let mut plan = Plan { stages, theta, skip, metrics, head, tree, program_at: 0 };
    plan.program_at = packed.row(&plan.program());
    // Places in fours are numbers of single precision in the program, which has all whole ones up to 2^24.
    (packed.0.len() / 4 < 1 << 24).then_some((plan, packed.0, comparison))
}

/// Words before the points that are given, for so many hypotheses.
pub(super) fn front(hypotheses: usize) -> usize {
    HEADER + 2 * hypotheses
}
