//! The thread that owns the node and spins it.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{AbortHandle, BoxFuture, FutureExt, abortable};
use futures::stream::{FuturesUnordered, StreamExt};
use r2r::Node;

/// How long one spin waits for traffic: the longest a piece of work waits for a quiet node.
const SPIN: Duration = Duration::from_millis(5);

/// What the thread is told.
enum Order {
    /// Do something with the node.
    Work(Box<dyn FnOnce(&mut Node) + Send>),
    /// Poll a task whenever the node has spun.
    Attend(BoxFuture<'static, ()>),
    /// Begin to spin: there is something to wait for.
    Spin,
    /// Take the node from the graph and end.
    End,
}

/// The thread has ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the ROS thread has ended")]
pub(crate) struct Ended;

/// Hands work to the thread that owns the node; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    orders: Sender<Order>,
}

impl Executor {
    /// Gives the node a thread of its own, which at first does work only: rcl complains about
    /// spinning a node that has nothing to wait for.
    ///
    /// # Errors
    /// What the operating system says when it has no thread left.
    pub(crate) fn start(node: Node) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = channel();
        let thread = Builder::new().name("ros".to_owned()).spawn(move || spin(node, &receiver))?;
        Ok((Self { orders: sender }, thread))
    }

    /// Lets the node spin.
    pub(crate) fn spin(&self) {
        drop(self.orders.send(Order::Spin));
    }

    /// Polls a task on this thread, after each spin: r2r keeps ten requests of a service and drops
    /// further ones, which no other thread drains fast enough in a burst.
    pub(crate) fn attend(&self, task: BoxFuture<'static, ()>) {
        drop(self.orders.send(Order::Attend(task)));
    }

    /// As [`Executor::attend`], until it is told to stop.
    pub(crate) fn attend_abortable(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let (task, handle) = abortable(task);
        self.attend(task.map(drop).boxed());
        handle
    }

    /// Takes the node from the graph; the thread ends when that is done.
    pub(crate) fn end(&self) {
        drop(self.orders.send(Order::End));
    }

    /// Does something with the node, between two spins.
    ///
    /// # Errors
    /// [`Ended`].
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Node) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        // A caller that no longer waits does not need the answer.
        let work = Order::Work(Box::new(move |node| drop(reply.send(work(node)))));
        self.orders.send(work).map_err(|_gone| Ended)?;
        answer.await.map_err(|_gone| Ended)
    }
}

fn spin(mut node: Node, orders: &Receiver<Order>) {
    let (mut spins, mut tasks) = (false, FuturesUnordered::new());
    loop {
        let order = if spins { orders.try_recv() } else { orders.recv().map_err(|_gone| TryRecvError::Disconnected) };
        match order {
            Ok(Order::Work(work)) => work(&mut node),
            Ok(Order::Attend(task)) => tasks.push(task),
            Ok(Order::Spin) => spins = true,
            Ok(Order::End) | Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                node.spin_once(SPIN);
                while let Some(Some(())) = tasks.next().now_or_never() {}
            }
        }
    }
}
