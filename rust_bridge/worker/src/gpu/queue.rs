use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Items that threads hand to threads.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    /// Empty and open.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds an item behind all others.
    pub fn push(&self, item: T) {
        self.lock().items.push_back(item);
        self.changed.notify_one();
    }

    /// Adds an item before all others.
    pub fn push_first(&self, item: T) {
        self.lock().items.push_front(item);
        self.changed.notify_one();
    }

    /// Waits for the first item; `None` once the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        self.pop_some(1, |_, _| false).pop()
    }

    /// Waits for the first item, and takes up to `most` that are there and `fit` the first. It is
    /// empty once the queue is closed and empty.
    pub fn pop_some(&self, most: usize, fit: impl Fn(&T, &T) -> bool) -> Vec<T> {
        let mut state = self.lock();
        loop {
            if let Some(first) = state.items.pop_front() {
                let mut taken = vec![first];
                while taken.len() < most {
                    if !state.items.front().is_some_and(|next| fit(&taken[0], next)) {
                        break;
                    }
                    taken.extend(state.items.pop_front());
                }
                return taken;
            }
            if state.closed {
                return Vec::new();
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets those that wait for an item end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
