//! What the command line changes in a preset.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use thalweg_nn::Augmentation;
use thalweg_train::{MaskOptions, Preset, ThetaOptions};

/// Damping, in units of the mean variance of a gradient's parts, beside which differences between directions do not count.
const NO_METRIC: f64 = 1e9;

/// Reads the name of a preset.
pub(super) fn preset_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::ALL.map(|preset| PossibleValue::new(preset.name()).help(preset.summary())))
}

/// Single options; what is not given is as in the preset.
#[derive(Args)]
#[command(next_help_heading = "Options that change the preset (in brackets: quick, of which each preset changes some)")]
pub(super) struct Changes {
    /// Dimension Z of the landscape [128]
    #[arg(long)]
    z: Option<i64>,
    /// Width of theta's hidden layers [512]
    #[arg(long)]
    hidden: Option<i64>,
    /// Buffers, B in the paper [300]
    #[arg(long)]
    buffers: Option<u32>,
    /// Descents in a collection, N [2048]
    #[arg(long)]
    descents: Option<usize>,
    /// Steps of a descent, T [10]
    #[arg(long)]
    steps: Option<u32>,
    /// Learning rate of z, lambda_z [0.5]
    #[arg(long)]
    rate_z: Option<f64>,
    /// Descents from different z_0 for each observation, of which only the best bears the outer loss [1]
    #[arg(long, value_name = "S")]
    best_of: Option<usize>,
    /// Whether z_0 is in the buffer [true]
    #[arg(long, value_name = "BOOL")]
    start_points: Option<bool>,
    /// Collections that the buffer holds, the last ones [1]
    #[arg(long, value_name = "M")]
    keep: Option<usize>,
    /// Learning rate of theta at the start, lambda_theta [0.002]
    #[arg(long)]
    rate_theta: Option<f64>,
    /// Share of it that is left in the end; 1 keeps the rate [0.01]
    #[arg(long)]
    rate_end: Option<f64>,
    /// Weight decay of theta [0.1]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Points in one update of theta [512]
    #[arg(long)]
    batch: Option<usize>,
    /// Decay of the average of theta that is kept; 0 keeps theta itself [0.999]
    #[arg(long)]
    average: Option<f64>,
    /// Passes over each buffer [1]
    #[arg(long)]
    epochs: Option<u32>,
    /// Update theta during the descents, without coordinate descent and buffer (the paper's ablation)
    #[arg(long)]
    online: bool,
    /// Let the descents see everything, as in the paper
    #[arg(long)]
    complete: bool,
    /// Share of the descents that see everything [0.25]
    #[arg(long, conflicts_with = "complete")]
    mask_whole: Option<f64>,
    /// Share that has one or two limbs hidden [0.35]
    #[arg(long, conflicts_with = "complete")]
    mask_limbs: Option<f64>,
    /// Share that has random joints hidden [0.25]
    #[arg(long, conflicts_with = "complete")]
    mask_joints: Option<f64>,
    /// Share that sees the end effectors only [0.15]
    #[arg(long, conflicts_with = "complete")]
    mask_end_effectors: Option<f64>,
    /// Buffers between two validations; 0 for none [10]
    #[arg(long)]
    validate_every: Option<u32>,
    /// Held-out observations in a validation [1024]
    #[arg(long)]
    validation_rows: Option<usize>,
    /// Validations without a better result after which training ends; 0 for never [0]
    #[arg(long)]
    patience: Option<u32>,
    #[command(flatten)]
    ablation: Ablation,
}

/// What the preset `steps` is made of, to leave out: what each part is worth is in docs/landscape.md.
#[derive(Args)]
#[command(next_help_heading = "Options that change the preset steps, to see what its parts are worth")]
struct Ablation {
    /// Let theta's value and derivative at zero change while it learns
    #[arg(long)]
    no_anchor: bool,
    /// Change no observation before theta learns from it
    #[arg(long)]
    no_augmentation: bool,
    /// Whiten no gradient: one size of step for all directions
    #[arg(long)]
    no_metric: bool,
    /// Differentiate theta through its steps, in place of coordinate descent
    #[arg(long)]
    unrolled: bool,
    /// Draw where each descent begins with this deviation; what is written begins at zero nevertheless [0]
    #[arg(long, value_name = "DEVIATION")]
    start_scale: Option<f64>,
}

impl Ablation {
    /// The first option that was given.
    fn given(&self) -> Option<&'static str> {
        let all = [
            ("--no-anchor", self.no_anchor),
            ("--no-augmentation", self.no_augmentation),
            ("--no-metric", self.no_metric),
            ("--unrolled", self.unrolled),
            ("--start-scale", self.start_scale.is_some()),
        ];
        all.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    fn apply(&self, options: &mut ThetaOptions) {
        if self.no_augmentation {
            options.augmentation = Augmentation::NONE;
        }
        let Some(own) = &mut options.own else { return };
        own.is_anchored &= !self.no_anchor;
        own.is_unrolled |= self.unrolled;
        if self.no_metric {
            own.damping.fill(NO_METRIC);
        }
        change(&mut own.start_scale, self.start_scale);
    }
}

impl Changes {
    /// Takes the options that were given.
    pub(super) fn applied_to(&self, mut options: ThetaOptions) -> ThetaOptions {
        change(&mut options.z, self.z);
        change(&mut options.hidden, self.hidden);
        change(&mut options.buffers, self.buffers);
        self.apply_to_collection(&mut options);
        self.apply_to_update(&mut options);
        self.apply_to_masks(&mut options.masks);
        change(&mut options.validation.every, self.validate_every);
        change(&mut options.validation.rows, self.validation_rows);
        change(&mut options.validation.patience, self.patience);
        self.ablation.apply(&mut options);
        options
    }

    /// Refuses what has no meaning without steps of a landscape's own.
    pub(super) fn expect_own_steps(&self, options: &ThetaOptions) -> anyhow::Result<()> {
        if let (Some(name), None) = (self.ablation.given(), &options.own) {
            anyhow::bail!("{name}: expected a preset with steps of its own, --preset steps");
        }
        Ok(())
    }

    /// Step size and steps of descents, where they were given.
    pub(super) fn descent(&self) -> (Option<f64>, Option<u32>) {
        (self.rate_z, self.steps)
    }

    fn apply_to_collection(&self, options: &mut ThetaOptions) {
        let collection = &mut options.collection;
        change(&mut collection.descents, self.descents);
        change(&mut collection.steps, self.steps);
        let own = options.own.take();
        options.own = own.map(|own| self.steps.map_or(own.clone(), |steps| own.with_steps(steps)));
        change(&mut collection.rate_z, self.rate_z);
        change(&mut collection.best_of, self.best_of);
        change(&mut collection.start_points, self.start_points);
        change(&mut collection.keep, self.keep);
    }

    fn apply_to_update(&self, options: &mut ThetaOptions) {
        let update = &mut options.update;
        change(&mut update.rate_theta, self.rate_theta);
        change(&mut update.rate_end, self.rate_end);
        change(&mut update.weight_decay, self.weight_decay);
        change(&mut update.batch, self.batch);
        change(&mut update.average, self.average);
        change(&mut update.epochs, self.epochs);
        update.online |= self.online;
    }

    fn apply_to_masks(&self, masks: &mut MaskOptions) {
        if self.complete {
            *masks = MaskOptions::complete();
        }
        change(&mut masks.whole, self.mask_whole);
        change(&mut masks.limbs, self.mask_limbs);
        change(&mut masks.joints, self.mask_joints);
        change(&mut masks.end_effectors, self.mask_end_effectors);
    }
}

fn change<T: Copy>(option: &mut T, given: Option<T>) {
    *option = given.unwrap_or(*option);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The help tells the defaults of `quick` in brackets; here they are held to what they are.
    #[test]
    fn parts_of_the_recipe_are_left_out_and_only_of_it() {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            changes: Changes,
        }
        let parse = |words: &[&str]| <Command as clap::Parser>::parse_from(words).changes;
        let all =
            parse(&["theta", "--no-anchor", "--no-augmentation", "--no-metric", "--unrolled", "--start-scale", "1"]);
        let options = all.applied_to(Preset::Steps.options(48));
        let own = options.own.as_ref().expect("the preset has steps");
        assert!(
            !own.is_anchored
                && own.is_unrolled
                && own.start_scale == 1.0
                && own.damping.iter().all(|damping| *damping > 1e6)
        );
        assert_eq!(options.augmentation, Augmentation::NONE);
        assert!(all.expect_own_steps(&options).is_ok());
        let quick = all.applied_to(Preset::Quick.options(48));
        let error = all.expect_own_steps(&quick).expect_err("it has no such steps").to_string();
        assert!(error.starts_with("--no-anchor: expected"), "{error}");
        assert!(parse(&["theta"]).expect_own_steps(&quick).is_ok());
    }

    #[test]
    fn the_help_tells_the_defaults() {
        let ThetaOptions { z, hidden, buffers, collection, update, masks, validation, .. } = ThetaOptions::default();
        let defaults = [
            ("z", z.to_string()),
            ("hidden", hidden.to_string()),
            ("buffers", buffers.to_string()),
            ("descents", collection.descents.to_string()),
            ("steps", collection.steps.to_string()),
            ("rate_z", collection.rate_z.to_string()),
            ("best_of", collection.best_of.to_string()),
            ("start_points", collection.start_points.to_string()),
            ("keep", collection.keep.to_string()),
            ("rate_theta", update.rate_theta.to_string()),
            ("rate_end", update.rate_end.to_string()),
            ("weight_decay", update.weight_decay.to_string()),
            ("batch", update.batch.to_string()),
            ("average", update.average.to_string()),
            ("epochs", update.epochs.to_string()),
            ("mask_whole", masks.whole.to_string()),
            ("mask_limbs", masks.limbs.to_string()),
            ("mask_joints", masks.joints.to_string()),
            ("mask_end_effectors", masks.end_effectors.to_string()),
            ("validate_every", validation.every.to_string()),
            ("validation_rows", validation.rows.to_string()),
            ("patience", validation.patience.to_string()),
        ];
        let command = Changes::augment_args(clap::Command::new("theta"));
        for (name, default) in defaults {
            let argument = command.get_arguments().find(|argument| argument.get_id() == name);
            let help = argument.and_then(clap::Arg::get_help).map(ToString::to_string).expect("it has a help text");
            assert!(help.ends_with(&format!("[{default}]")), "{name}: {help}, but it is {default}");
        }
    }
}
