//! Ctrl-C: the first stops after what is complete is committed, the second at once.

use crate::exit;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static SIGNALS: AtomicU32 = AtomicU32::new(0);
static WRITING: AtomicBool = AtomicBool::new(false);

/// Takes over Ctrl-C and termination signals for the rest of the process.
pub fn install() {
    // Without a handler a signal ends the process, which an index survives; so failure here is harmless.
    let _ = ctrlc::set_handler(|| {
        let earlier = SIGNALS.fetch_add(1, Ordering::SeqCst);
        if earlier > 0 || !WRITING.load(Ordering::SeqCst) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        let _ = writeln!(
            std::io::stderr(),
            "\nstopping: committing what is complete (Ctrl-C again: stop at once)"
        );
    });
}

/// While this lives, the first signal only asks to stop.
pub struct Graceful(());

impl Graceful {
    /// Marks the start of work that [`requested`] can stop between documents.
    pub fn begin() -> Self {
        WRITING.store(true, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Graceful {
    fn drop(&mut self) {
        WRITING.store(false, Ordering::SeqCst);
    }
}

/// While this lives, a signal also stops the library's own long work.
pub struct Watch {
    done: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Passes the first signal on to `token`.
    pub fn begin(token: lateen::index::CancelToken) -> Self {
        let done = std::sync::Arc::new(AtomicBool::new(false));
        let watched = done.clone();
        let thread = std::thread::spawn(move || {
            while !watched.load(Ordering::SeqCst) {
                if requested() {
                    token.cancel();
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        Self { done, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether the user wants the work to stop.
pub fn requested() -> bool {
    SIGNALS.load(Ordering::SeqCst) > 0
}
