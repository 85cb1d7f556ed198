//! The loop of a test: tasks in the order in which they were woken, and timers.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::proxy::rt::simulated::time;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks that were woken, by number.
#[derive(Default)]
struct Woken(Mutex<Vec<u64>>);

struct TaskWaker {
    task: u64,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut woken = self.woken.0.lock().unwrap();
        if !woken.contains(&self.task) {
            woken.push(self.task);
        }
    }
}

#[derive(Default)]
struct Loop {
    tasks: RefCell<BTreeMap<u64, Task>>,
    next: Cell<u64>,
    woken: Arc<Woken>,
    /// By time, then by the order in which they were set.
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
}

thread_local! {
    static LOOP: Loop = Loop::default();
}

fn next_number() -> u64 {
    LOOP.with(|it| it.next.replace(it.next.get() + 1))
}

/// Starts a task. A panic is the test's.
pub fn spawn<F>(task: F, _on_panic: impl FnOnce(Box<dyn Any + Send>) + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let number = next_number();
    LOOP.with(|it| {
        it.tasks.borrow_mut().insert(number, Box::pin(task));
        it.woken.0.lock().unwrap().push(number);
    });
}

/// Forgets every task and timer.
pub fn clear() {
    // Taken out first: what ends with a task may start or wake others.
    let (tasks, timers) = LOOP.with(|it| (it.tasks.take(), it.timers.take()));
    drop((tasks, timers));
    LOOP.with(|it| it.woken.0.lock().unwrap().clear());
}

/// Runs tasks until none can go on.
fn run_ready() {
    loop {
        let woken = LOOP.with(|it| std::mem::take(&mut *it.woken.0.lock().unwrap()));
        if woken.is_empty() {
            return;
        }
        woken.into_iter().for_each(run);
    }
}

fn run(number: u64) {
    let found = LOOP.with(|it| it.tasks.borrow_mut().remove(&number));
    let Some(mut task) = found else { return };
    let woken = LOOP.with(|it| Arc::clone(&it.woken));
    let waker = Waker::from(Arc::new(TaskWaker { task: number, woken }));
    if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        LOOP.with(|it| it.tasks.borrow_mut().insert(number, task));
    }
}

/// Runs until `is_over` holds when no task can go on, or `most` went by; true: it holds. `moved`
/// is told each time to which the clock is moved.
pub fn drive(most: Duration, moved: impl Fn(u64), is_over: impl Fn() -> bool) -> bool {
    let last = time::nanos() + u64::try_from(most.as_nanos()).unwrap();
    loop {
        run_ready();
        if is_over() {
            return true;
        }
        let next = LOOP.with(|it| it.timers.borrow().keys().next().map(|(at, _)| *at));
        let Some(at) = next.filter(|at| *at <= last) else {
            time::set(last);
            moved(last);
            return false;
        };
        time::set(at);
        moved(at);
        while let Some(waker) = LOOP.with(|it| due(&mut it.timers.borrow_mut(), at)) {
            waker.wake();
        }
    }
}

fn due(timers: &mut BTreeMap<(u64, u64), Waker>, now: u64) -> Option<Waker> {
    let first = timers.first_entry().filter(|entry| entry.key().0 <= now)?;
    Some(first.remove())
}

/// A timer; forgotten when dropped.
struct Timer(Option<(u64, u64)>);

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.0 {
            LOOP.with(|it| it.timers.borrow_mut().remove(&key));
        }
    }
}

/// Waits. A wait of no time is one for the other tasks.
pub async fn sleep(duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let at = time::nanos().saturating_add(nanos);
    let mut timer = Timer(None);
    poll_fn(|context| {
        if timer.0.is_some() && time::nanos() >= at {
            return Poll::Ready(());
        }
        let key = *timer.0.get_or_insert_with(|| (at, next_number()));
        LOOP.with(|it| it.timers.borrow_mut().insert(key, context.waker().clone()));
        Poll::Pending
    })
    .await;
}

pub use self::sleep as sleep_in_place;

/// Waits for `future` at most `duration`; the future is dropped then.
pub async fn within<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut time) = (pin!(future), pin!(sleep(duration)));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        time.as_mut().poll(context).map(|()| None)
    })
    .await
}
