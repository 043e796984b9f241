//! Keeps a defect of another's code from ending the run. In: a call. Out: what it gives, or nothing where it panicked.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Says whether a panic on this thread is caught, so that the hook of the process may let it be.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Makes the call. What it left half done is thrown away with the panic.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_ends_the_guard() {
        assert_eq!(guarded(|| -> u8 { panic!("a defect of another") }), None);
        assert!(!is_guarded());
        assert_eq!(guarded(|| (is_guarded(), 1)), Some((true, 1)));
    }
}
