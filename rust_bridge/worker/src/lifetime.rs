//! A worker never outlives its parent and leaves Ctrl-C to it.

use nix::sys::signal::{signal, SigHandler, Signal};
use nix::unistd::{getppid, Pid};

/// Ties this process's life to that of process `parent`, which started it.
///
/// The end of standard input is the usual sign, but a worker in the middle of
/// a texture does not look at it; so the kernel is asked to kill it.
///
/// # Errors
///
/// A sentence when the parent is already gone or the kernel refuses.
pub fn follow_parent(parent: i32) -> Result<(), String> {
    watch(Pid::from_raw(parent))?;
    if getppid() == Pid::from_raw(parent) {
        Ok(())
    } else {
        Err("the parent process is already gone".to_owned())
    }
}

#[cfg(target_os = "linux")]
fn watch(_parent: Pid) -> Result<(), String> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps)]
fn watch(parent: Pid) -> Result<(), String> {
    std::thread::spawn(move || {
        while getppid() == parent {
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        std::process::exit(1);
    });
    Ok(())
}

/// Ignores the terminal's Ctrl-C, here and in processes that are started from
/// here: it reaches the whole foreground group, and the parent decides.
///
/// # Errors
///
/// A sentence when the kernel refuses.
pub fn ignore_interrupt() -> Result<(), String> {
    // SAFETY: `SigIgn` installs no handler, so no code can run in a signal
    // context.
    unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Ends this process without the handlers that libraries have registered for its end.
pub fn exit_at_once(code: u8) -> ! {
    // SAFETY: `_exit` runs no code of this process, so that nothing can see a state that is left
    // half done.
    unsafe { nix::libc::_exit(i32::from(code)) }
}
