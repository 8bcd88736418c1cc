//! What was measured, as Markdown.

use std::path::Path;

use thalweg_nn::files::write_atomically;

use super::arms::{ARMS, Arm};
use super::budgets::{BUDGETS_MS, Budgeted};
use super::completions::Completion;
use super::descent::Setting;
use super::solve_times::SolveTime;
use super::steps::StepCurves;
use super::streams::{Measures, Streamed};
use super::surface::Surface;
use super::tables::{Table, mean_of, spread};
use super::world::World;
use super::{claims, plots};

/// Steps that are columns of the table.
const COLUMNS: [u32; 9] = [0, 1, 2, 5, 10, 20, 50, 100, 200];

/// Everything that was measured.
pub(super) struct Report {
    /// Names of the test sets.
    pub(super) tests: Vec<String>,
    pub(super) steps: Vec<StepCurves>,
    pub(super) budgets: Vec<Budgeted>,
    pub(super) completions: Vec<Completion>,
    pub(super) solve_times: Vec<SolveTime>,
    pub(super) streams: Vec<Streamed>,
    pub(super) surfaces: Vec<Surface>,
}

impl Report {
    pub(super) fn new(world: &World) -> Self {
        let tests = world.tests.iter().map(|test| test.name.to_owned()).collect();
        Self {
            tests,
            steps: Vec::new(),
            budgets: Vec::new(),
            completions: Vec::new(),
            solve_times: Vec::new(),
            streams: Vec::new(),
            surfaces: Vec::new(),
        }
    }

    /// Writes `results.md` and the pictures; returns the main tables.
    pub(super) fn write(&self, world: &World, folder: &Path) -> anyhow::Result<String> {
        let mut text = self.head(world);
        let main = self.main(world);
        text += &main;
        for test in &self.tests {
            text += &self.of_test(world, test);
        }
        text += &section("Time of a solve, arms hidden, milliseconds", &self.solve_time_table());
        text += &section("What the clock cannot be asked", &self.handicap());
        write_atomically(&folder.join("results.md"), text.as_bytes())?;
        plots::write(self, folder)?;
        Ok(main)
    }

    fn head(&self, world: &World) -> String {
        let sizes = &world.sizes;
        let mut text = "# thalweg bench pose\n\n".to_owned();
        let tests: Vec<_> = world.tests.iter().map(|test| format!("{} ({})", test.name, test.poses.count())).collect();
        let kind = if world.rivals.is_some() { "motion-capture clips" } else { "the bundled motion" };
        let line = format!(
            "Poses: {kind}; sets: {}; {} of each set and seed, {} solved one by one; {} seeds; S = {} hypotheses; tuned on {} \
             validation poses. Single precision, one thread, {}; load of the machine at the end: {}.\n\n",
            tests.join(", "),
            sizes.poses,
            sizes.timed,
            sizes.seeds,
            sizes.hypotheses,
            sizes.validation,
            processor(),
            load()
        );
        text += &line;
        let missing: Vec<_> =
            ARMS.iter().filter_map(|arm| world.missing(arm).map(|why| format!("{} ({why})", arm.name))).collect();
        if !missing.is_empty() {
            text += &format!("Left out: {}.\n\n", missing.join("; "));
        }
        text
    }

    /// The claims and the hidden joints.
    fn main(&self, world: &World) -> String {
        let mut text = section("Claims", &claims::table(self));
        let masks: Vec<&str> = world.sizes.masks.iter().map(String::as_str).collect();
        for test in &self.tests {
            let title = format!("Hidden joints, degrees, {test}: mean over S / ranked / least of S");
            text += &section(&title, &self.completion_table(test, &masks));
        }
        text
    }

    fn of_test(&self, world: &World, test: &str) -> String {
        let mut text = section(&format!("Loss (Eq. 6) after steps, {test}"), &self.step_table(test));
        text += &section(&format!("Loss (Eq. 6) after milliseconds, {test}"), &self.budget_table(test));
        text += &section(&format!("Ablation, {test}"), &self.ablation(test));
        for mask in &world.sizes.masks {
            text += &section(&format!("{mask} hidden, {test}"), &self.mask_table(test, mask));
        }
        let (hz, ms) = (world.sizes.stream_hz, world.sizes.stream_ms);
        text += &section(&format!("Streams, {ms} ms for each frame, {hz} Hz, K = 8, {test}"), &self.stream_table(test));
        text
    }

    fn step_table(&self, test: &str) -> Table {
        let head = ["method".to_owned(), "rates".to_owned()].into_iter();
        let mut table = Table::of_head(head.chain(COLUMNS.map(|steps| steps.to_string())).collect());
        for row in self.steps.iter().filter(|row| row.test == test) {
            let mut rates: Vec<String> = row.chosen.iter().map(|chosen| chosen.setting.rate.to_string()).collect();
            rates.dedup();
            let rates = if has_rate(&row.arm) { rates.join(", ") } else { "-".to_owned() };
            let cells = COLUMNS.iter().map(|steps| row.at(*steps).map_or("-".to_owned(), |values| spread(&values, 3)));
            table.push([name(&row.arm), rates].into_iter().chain(cells).collect());
        }
        table
    }

    fn budget_table(&self, test: &str) -> Table {
        let head = ["method".to_owned()].into_iter().chain(BUDGETS_MS.map(|budget| format!("{budget} ms")));
        let mut table = Table::of_head(head.chain(["K at the last, one step".to_owned()]).collect());
        for arm in &ARMS {
            let rows: Vec<_> = self.budgets.iter().filter(|row| row.test == test && row.arm == arm.key).collect();
            let Some(last) = rows.last() else { continue };
            let cell = |budget: f64| {
                let row = rows.iter().find(|row| row.budget_ms == budget);
                row.map_or("-".to_owned(), |row| {
                    let late = if row.has_answer() { "" } else { " (late)" };
                    spread(&row.loss, 3) + late
                })
            };
            let step = format!("{}, {:.3} ms", last.candidate.hypotheses, mean_of(&last.step_ms));
            table.push([arm.name.to_owned()].into_iter().chain(BUDGETS_MS.map(cell)).chain([step]).collect());
        }
        table
    }

    /// Table 2 of the paper, on poses.
    fn ablation(&self, test: &str) -> Table {
        let rows = [
            ("Adam in X", "x_adam"),
            ("Adam in X from zero", "x0_adam"),
            ("random theta", "theta_random"),
            ("without coordinate descent and buffer", "theta_online"),
            ("full method", "theta_paper"),
            ("own steps from a fixed start", "theta"),
        ];
        let mut table = Table::new(&["method", "20 steps", "200 steps"]);
        for (label, key) in rows {
            let Some(row) = self.steps.iter().find(|row| row.test == test && row.arm == key) else { continue };
            let cell = |steps| row.at(steps).map_or("-".to_owned(), |values| spread(&values, 3));
            table.push(vec![label.to_owned(), cell(20), cell(200)]);
        }
        table
    }

    fn completion_table(&self, test: &str, masks: &[&str]) -> Table {
        let head = ["method".to_owned()].into_iter().chain(masks.iter().map(|mask| (*mask).to_owned()));
        let mut table = Table::of_head(head.collect());
        for arm in &ARMS {
            let cell = |mask: &&str| {
                let of =
                    |measure: fn(&Completion) -> f64| mean_of(&self.completion_values(arm.key, test, mask, measure));
                let (mean, ranked) = (of(|row| last(row).hidden_deg.mean), of(|row| row.ranked_deg));
                let least = of(|row| last(row).hidden_deg.min);
                (mean.is_finite()).then(|| format!("{mean:.1} / {ranked:.1} / {least:.1}"))
            };
            let cells: Vec<Option<String>> = masks.iter().map(cell).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or("-".to_owned()));
                table.push([arm.name.to_owned()].into_iter().chain(cells).collect());
            }
        }
        table
    }

    fn mask_table(&self, test: &str, mask: &str) -> Table {
        let mut table = Table::new(&[
            "method",
            "setting",
            "deg, mean",
            "deg, ranked",
            "least of 5",
            "least of S",
            "std",
            "mm, mean",
            "mm, least of S",
            "seen, deg",
            "seen, mm",
            "APD, cm",
        ]);
        for arm in &ARMS {
            let rows: Vec<_> = self.completions.iter().filter(|row| is_of(row, arm.key, test, mask)).collect();
            let Some(first) = rows.first() else { continue };
            let cell = |digits: usize, of: &dyn Fn(&Completion) -> f64| {
                spread(&rows.iter().map(|row| of(row)).collect::<Vec<_>>(), digits)
            };
            let five = |row: &Completion| row.summaries.get(1).map_or(f64::NAN, |summary| summary.hidden_deg.min);
            table.push(vec![
                arm.name.to_owned(),
                first.setting.map_or("-".to_owned(), |setting| in_words(setting, arm, true)),
                cell(2, &|row| last(row).hidden_deg.mean),
                cell(2, &|row| row.ranked_deg),
                cell(2, &five),
                cell(2, &|row| last(row).hidden_deg.min),
                cell(2, &|row| last(row).hidden_deg.std),
                cell(1, &|row| last(row).hidden_mm.mean),
                cell(1, &|row| last(row).hidden_mm.min),
                cell(2, &|row| last(row).visible_deg),
                cell(1, &|row| last(row).visible_mm),
                cell(1, &|row| last(row).diversity_cm),
            ]);
        }
        table
    }

    fn stream_table(&self, test: &str) -> Table {
        let mut table = Table::new(&[
            "method",
            "setting",
            "hidden",
            "deg, ranked",
            "deg, least of K",
            "seen, deg",
            "steps",
            "p99, ms",
        ]);
        for row in self.streams.iter().filter(|row| row.test == test) {
            let Some(arm) = ARMS.iter().find(|arm| arm.key == row.arm) else { continue };
            let cell = |digits: usize, of: fn(&Measures) -> f64| {
                spread(&row.measures.iter().map(of).collect::<Vec<_>>(), digits)
            };
            table.push(vec![
                arm.name.to_owned(),
                in_words(row.setting, arm, false),
                row.mask.clone(),
                cell(2, |one| one.ranked_deg),
                cell(2, |one| one.least_deg),
                cell(2, |one| one.visible_deg),
                cell(1, |one| one.steps),
                cell(2, |one| one.p99_ms),
            ]);
        }
        table
    }

    fn solve_time_table(&self) -> Table {
        let mut table = Table::new(&["method", "steps", "K = 1: p50 / p99", "K = 10: p50 / p99"]);
        for arm in &ARMS {
            let rows: Vec<_> = self.solve_times.iter().filter(|row| row.arm == arm.key).collect();
            let Some(first) = rows.first() else { continue };
            let cell = |row: &&SolveTime| format!("{:.2} / {:.2}", row.p50_ms, row.p99_ms);
            let head = [arm.name.to_owned(), first.steps.to_string()].into_iter();
            table.push(head.chain(rows.iter().map(cell)).collect());
        }
        table
    }

    /// How much slower an evaluation outside the engine is than the engine's step.
    fn handicap(&self) -> Table {
        let mut table =
            Table::new(&["not through the engine", "its evaluation", "a step of Adam in X, K = 1", "times slower"]);
        let step = |key: &str, hypotheses: usize| {
            let rows = self.budgets.iter().filter(|row| row.arm == key && row.candidate.hypotheses == hypotheses);
            mean_of(&rows.flat_map(|row| row.step_ms.iter().copied()).collect::<Vec<_>>())
        };
        let (library, engine) = (step("x_lbfgs", 1), step("x_adam", 1));
        if library.is_finite() && engine.is_finite() {
            let milliseconds = |value: f64| format!("{value:.3} ms");
            let ratio = format!("{:.2}", library / engine);
            table.push(vec![name("x_lbfgs"), milliseconds(library), milliseconds(engine), ratio]);
        }
        table
    }

    /// One value for each seed of a method on a mask.
    pub(super) fn completion_values(
        &self,
        arm: &str,
        test: &str,
        mask: &str,
        measure: fn(&Completion) -> f64,
    ) -> Vec<f64> {
        self.completions.iter().filter(|row| is_of(row, arm, test, mask)).map(measure).collect()
    }
}

fn is_of(row: &Completion, arm: &str, test: &str, mask: &str) -> bool {
    row.arm == arm && row.test == test && row.mask == mask
}

/// The summary over all hypotheses.
fn last(row: &Completion) -> &crate::eval::completion::CompletionSummary {
    row.summaries.last().expect("a completion has a summary of at least one hypothesis")
}

fn has_rate(key: &str) -> bool {
    ARMS.iter().any(|arm| arm.key == key && arm.has_rate())
}

/// A method's name for people.
pub(super) fn name(key: &str) -> String {
    ARMS.iter().find(|arm| arm.key == key).map_or(key, |arm| arm.name).to_owned()
}

/// Tells what was chosen, with its number of steps or without.
fn in_words(setting: Setting, arm: &Arm, with_steps: bool) -> String {
    let steps = with_steps.then(|| format!("{} steps", setting.steps));
    let rate = arm.has_rate().then(|| format!("rate {}", setting.rate));
    let prior = arm.prior.then(|| format!("prior {}", setting.prior_weight));
    let all: Vec<String> = [steps, rate, prior].into_iter().flatten().collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn section(title: &str, table: &Table) -> String {
    if table.is_empty() { String::new() } else { format!("## {title}\n\n{table}\n") }
}

/// The processor's own name, where the system tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown processor", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned()
}

/// Processes that wanted to run, on average over the last minutes, where the system tells it.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}
