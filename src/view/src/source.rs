//! Where answers come from: topics, a recording, the demo.

mod demo;
mod painter;
mod recording;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use thalweg_node::display::ShownAnswer;
use tokio::sync::watch::{Receiver, Sender, channel};

pub use demo::{Demo, DemoOptions};
pub use painter::pixels;
pub use recording::Recording;

/// How often a source that stands still looks whether it is to go on.
const LOOK: Duration = Duration::from_millis(10);

/// The longest pause between two answers of a recording that is kept.
const LONGEST: Duration = Duration::from_secs(2);

/// An answer and when it came, from the beginning of its stream.
pub type Timed = (Duration, Arc<ShownAnswer>);

/// What the keys ask of a stream.
#[derive(Debug, Default)]
pub struct Control {
    is_paused: AtomicBool,
    steps: AtomicU64,
    trouble: RwLock<Option<String>>,
}

impl Control {
    /// Stops, or goes on; says whether it stands still now.
    pub fn pause(&self) -> bool {
        !self.is_paused.fetch_xor(true, Ordering::AcqRel)
    }

    /// Goes one answer further.
    pub fn step(&self) {
        self.steps.fetch_add(1, Ordering::AcqRel);
    }

    /// Why the stream has ended, where it has.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, why: String) {
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Whether the next answer may come; takes a step where there is one.
    fn may_go_on(&self) -> bool {
        !self.is_paused.load(Ordering::Acquire) || self.take_step()
    }

    fn take_step(&self) -> bool {
        self.steps.fetch_update(Ordering::AcqRel, Ordering::Acquire, |steps| steps.checked_sub(1)).is_ok()
    }
}

/// The newest answer of a running stream.
pub struct Stream {
    newest: Receiver<Option<Timed>>,
    /// What the keys ask of it.
    pub control: Arc<Control>,
    player: Option<JoinHandle<()>>,
    #[cfg(feature = "ros")]
    _follower: Option<thalweg_ros::client::follower::Follower>,
}

/// Waits for the player: what it solves with must not end before it.
impl Drop for Stream {
    fn drop(&mut self) {
        self.newest = channel(None).1;
        // One that has panicked has said so.
        self.player.take().map(JoinHandle::join);
    }
}

impl Stream {
    /// Follows a node by its topics; see `thalweg_ros::client::follower::Follower`.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "ros")]
    pub fn of_topics(target: &str) -> anyhow::Result<Self> {
        let (sender, newest) = channel(None);
        let control = Arc::new(Control::default());
        let (begin, gate) = (Instant::now(), Arc::clone(&control));
        // While paused the newest answer is left where it was; a step lets one through.
        let put = move |shown| {
            if gate.may_go_on() {
                sender.send_replace(Some((begin.elapsed(), Arc::new(shown))));
            }
        };
        let follower = thalweg_ros::client::follower::Follower::open(target, put)?;
        Ok(Self { newest, control, player: None, _follower: Some(follower) })
    }

    /// Says that this program cannot follow a node.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "ros"))]
    pub fn of_topics(_target: &str) -> anyhow::Result<Self> {
        anyhow::bail!("this program was built without ROS 2: show a recording or the demo, or build it with ROS 2")
    }

    /// Plays answers at their own pace on a thread of its own, which `open` begins on, again and again.
    ///
    /// # Errors
    /// What the operating system says when it has no thread left.
    pub fn of_clip<C>(open: impl Fn() -> anyhow::Result<C> + Send + 'static) -> std::io::Result<Self>
    where
        C: Iterator<Item = anyhow::Result<Timed>>,
    {
        let (sender, newest) = channel(None);
        let control = Arc::new(Control::default());
        let told = Arc::clone(&control);
        let player = Builder::new().name("player".to_owned()).spawn(move || {
            if let Err(error) = play(&open, &sender, &told) {
                told.fail(format!("{error:#}"));
            }
        })?;
        let player = Some(player);
        Ok(Self {
            newest,
            control,
            player,
            #[cfg(feature = "ros")]
            _follower: None,
        })
    }

    /// The newest answer, if it was not taken before.
    pub fn take(&mut self) -> Option<Timed> {
        if !self.newest.has_changed().unwrap_or(false) {
            return None;
        }
        self.newest.borrow_and_update().clone()
    }
}

/// Plays a clip until nobody looks any more; one without any answer is an error.
fn play<C>(
    open: &impl Fn() -> anyhow::Result<C>,
    sender: &Sender<Option<Timed>>,
    control: &Control,
) -> anyhow::Result<()>
where
    C: Iterator<Item = anyhow::Result<Timed>>,
{
    loop {
        let mut last: Option<(Duration, Instant)> = None;
        for timed in open()? {
            let (at, shown) = timed?;
            if let Some((before, then)) = last {
                let pause = at.saturating_sub(before).min(LONGEST);
                sleep(pause.saturating_sub(then.elapsed()));
            }
            while !control.may_go_on() {
                sleep(LOOK);
                if sender.is_closed() {
                    return Ok(());
                }
            }
            last = Some((at, Instant::now()));
            sender.send_replace(Some((at, shown)));
            if sender.is_closed() {
                return Ok(());
            }
        }
        anyhow::ensure!(last.is_some(), "there is nothing to play");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(count: u64) -> impl Iterator<Item = anyhow::Result<Timed>> {
        (0..count).map(|index| {
            Ok((
                Duration::from_millis(index),
                Arc::new(ShownAnswer { stamp_nanos: index as i64, ..ShownAnswer::default() }),
            ))
        })
    }

    fn wait(stream: &mut Stream) -> Timed {
        loop {
            if let Some(timed) = stream.take() {
                return timed;
            }
            sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_clip_begins_again_and_a_step_is_one_answer() {
        let mut stream = Stream::of_clip(|| Ok(clip(3))).expect("a thread");
        wait(&mut stream);
        assert!(stream.control.pause());
        // Whatever was on its way has come by then.
        sleep(Duration::from_millis(60));
        let stands = stream.take().map_or(wait_for_step(&mut stream), |(_, shown)| shown.stamp_nanos);
        let next = wait_for_step(&mut stream);
        assert_eq!(next, (stands + 1) % 3);
        assert!(!stream.control.pause());
        wait(&mut stream);
    }

    fn wait_for_step(stream: &mut Stream) -> i64 {
        stream.control.step();
        wait(stream).1.stamp_nanos
    }

    #[test]
    fn a_clip_without_answers_says_so() {
        let stream = Stream::of_clip(|| Ok(clip(0))).expect("a thread");
        while stream.control.trouble().is_none() {
            sleep(Duration::from_millis(1));
        }
        assert_eq!(stream.control.trouble().as_deref(), Some("there is nothing to play"));
    }
}
