//! What is written over the picture: numbers, legend, chart, help, images.

mod chart;
mod help;
mod numbers;
mod panels;
mod sheet;

use std::time::Duration;

use kiss3d::scene::SceneNode2d;
use kiss3d::window::Window;
use thalweg_node::display::ShownAnswer;

use crate::pace::Pace;
use crate::palette;
use panels::Panels;
use sheet::Sheet;

/// Distance of cards from the edge, logical pixels.
const MARGIN: f32 = 14.0;

/// Height of the letters of a person's name.
const NAME: f32 = 14.0;

/// Silence after which it is said that nothing comes.
const SILENCE: Duration = Duration::from_secs(2);

/// What the window does just now.
#[derive(Clone, Debug, Default)]
pub struct Mode {
    /// Whether the picture stands still.
    pub is_paused: bool,
    /// How long a GIF has been recorded.
    pub filming: Option<Duration>,
    /// Whether the keys are listed.
    pub has_help: bool,
    /// Something to be told for a while, such as where a screenshot went.
    pub notice: Option<String>,
    /// How long nothing has come.
    pub silence: Duration,
    /// Where the answers come from.
    pub source: String,
}

/// Everything that the writing is about.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The answer that is shown; none before the first.
    pub shown: Option<&'a ShownAnswer>,
    /// The hypothesis that is drawn as the body.
    pub chosen: usize,
    /// How the stream flows.
    pub pace: &'a Pace,
    /// What the window does.
    pub mode: &'a Mode,
    /// Whether there is a body in the picture.
    pub has_body: bool,
    /// The most ghosts that are drawn.
    pub most_ghosts: usize,
    /// Why what is drawn is not what is meant.
    pub trouble: Option<&'a str>,
    /// Names in the picture.
    pub labels: &'a [Label],
}

/// A name in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// What is written.
    pub text: String,
    /// Where, pixels from the top left.
    pub at: (f32, f32),
    /// Whether it is that of a person, not of an axis.
    pub is_person: bool,
}

/// The writing.
pub struct Hud {
    sheet: Sheet,
    panels: Panels,
}

impl Default for Hud {
    fn default() -> Self {
        let mut sheet = Sheet::new();
        let panels = Panels::new(sheet.root_mut());
        Self { sheet, panels }
    }
}

impl Hud {
    /// Writes everything anew; `scale` is pixels for each logical pixel.
    pub fn write(&mut self, window: &mut Window, told: &Told<'_>, scale: f32) {
        let sheet = &mut self.sheet;
        sheet.begin(window, scale);
        told.labels.iter().for_each(|label| name(sheet, window, label, scale));
        numbers::write(sheet, window, told);
        numbers::legend(sheet, window, told);
        chart::write(sheet, window, told.pace);
        self.panels.write(sheet, window, told);
        status(sheet, window, told);
        if told.mode.has_help {
            help::write(sheet, window);
        }
        sheet.end();
    }

    /// What kiss3d draws, apart from the texts.
    pub fn root_mut(&mut self) -> &mut SceneNode2d {
        self.sheet.root_mut()
    }
}

/// The name of an axis, or of a person: that one on a card, in the middle above them.
fn name(sheet: &mut Sheet, window: &mut Window, Label { text, at, is_person }: &Label, scale: f32) {
    let (x, y) = (at.0 / scale, at.1 / scale);
    if !is_person {
        return sheet.text(window, text, (x - 3.0, y - 8.0), 12.0, palette::FAINT);
    }
    let width = sheet.width_of(text, NAME);
    sheet.card((x - width / 2.0 - 6.0, y - 11.0), (width + 12.0, 22.0));
    sheet.text(window, text, (x - width / 2.0, y - 8.0), NAME, palette::INK);
}

/// One line at the top: paused, filming, waiting, or what just happened.
fn status(sheet: &mut Sheet, window: &mut Window, told: &Told<'_>) {
    let mode = told.mode;
    let mut lines = Vec::new();
    if mode.is_paused {
        lines.push("paused".to_owned());
    }
    if let Some(length) = mode.filming {
        lines.push(format!("recording a GIF, {:.1} s", length.as_secs_f64()));
    }
    if told.shown.is_none() {
        lines.push(format!("waiting for {}", mode.source));
    } else if mode.silence > SILENCE && !mode.is_paused {
        lines.push(format!("nothing for {:.0} s", mode.silence.as_secs_f64()));
    }
    lines.extend(told.trouble.map(str::to_owned));
    lines.extend(mode.notice.clone());
    let text = lines.join("  ·  ");
    if !text.is_empty() {
        let width = sheet.width_of(&text, 14.0) + 24.0;
        let left = (sheet.size().0 - width) / 2.0;
        sheet.card((left, MARGIN), (width, 28.0));
        sheet.text(window, &text, (left + 12.0, MARGIN + 6.0), 14.0, palette::INK);
    }
    let (width, height) = sheet.size();
    let hint = "H  keys";
    let place = (width - sheet.width_of(hint, 12.0) - MARGIN, height - MARGIN - 14.0);
    sheet.text(window, hint, place, 12.0, palette::FAINT);
}
