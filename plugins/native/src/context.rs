//! What a driver may call, and what becomes of it.
#![allow(unsafe_code)]

use bindery_plane_abi as abi;
use std::{
    borrow::Cow,
    ffi::{c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

/// Longest text that is taken from a driver, in octets.
const TEXT_MAX: usize = 1024;

/// How serious a driver's log line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something is odd.
    Warn,
    /// For the operator to know.
    Info,
    /// For the driver's author; also every level that this version does not know.
    Debug,
}

/// What a driver has to say, on whatever thread of its own or the route thread. At most 1,024 octets of text. How many
/// come is the driver's doing: whoever takes them limits their rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// A line for the log.
    Log {
        /// How serious.
        level: Level,
        /// The line.
        text: String,
    },
    /// What stood may stand no more; the route thread should recover the plane and reconcile.
    Fault(String),
}

type Listener = Arc<dyn Fn(Report) + Send + Sync>;

/// Listens to the driver of one plane. It lives as long as the process, because a driver's thread that outlives its
/// instance may still call; after [`Context::close`] nobody hears it.
pub(crate) struct Context {
    listener: Mutex<Option<Listener>>,
}

impl Context {
    /// Makes one and the table that a driver gets.
    pub(crate) fn leak(listener: Listener) -> (&'static Self, &'static abi::Host) {
        let context: &'static Self = Box::leak(Box::new(Self { listener: Mutex::new(Some(listener)) }));
        let host = Box::leak(Box::new(abi::Host {
            struct_size: size_of::<abi::Host>() as u32,
            reserved: 0,
            context: std::ptr::from_ref(context).cast_mut().cast(),
            log: Some(log),
            report_fault: Some(report_fault),
        }));
        (context, host)
    }

    /// Hears nothing any more.
    pub(crate) fn close(&self) {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn tell(&self, report: Report) {
        // Called outside of the lock: the listener may take its time.
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = listener {
            listener(report);
        }
    }
}

unsafe extern "C" fn log(context: *mut c_void, level: u32, text: *const c_char, length: usize) {
    // SAFETY: what a driver may hand over is written in the header.
    unsafe { hear(context, text, length, |text| Report::Log { level: level_of(level), text }) }
}

unsafe extern "C" fn report_fault(context: *mut c_void, text: *const c_char, length: usize) {
    // SAFETY: what a driver may hand over is written in the header.
    unsafe { hear(context, text, length, Report::Fault) }
}

fn level_of(level: u32) -> Level {
    match level {
        abi::LOG_ERROR => Level::Error,
        abi::LOG_WARN => Level::Warn,
        abi::LOG_INFO => Level::Info,
        _ => Level::Debug,
    }
}

/// # Safety
/// `context` is null or what [`Context::leak`] gave out; `text` is null or has `length` readable octets.
unsafe fn hear(context: *mut c_void, text: *const c_char, length: usize, report: impl FnOnce(String) -> Report) {
    // SAFETY: a context lives for ever, and is only shared.
    let Some(context) = (unsafe { context.cast::<Context>().as_ref() }) else { return };
    let text = if text.is_null() {
        Cow::Borrowed("")
    } else {
        // SAFETY: the caller's promise; a part of what is readable is readable.
        String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length.min(TEXT_MAX)) })
    };
    // A panic of ours must not run through the driver's frames. There is nobody to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| context.tell(report(text.into_owned()))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_a_driver_says_is_bounded_and_ends_with_the_plane() {
        let (sender, reports) = mpsc::channel();
        let sender = Mutex::new(sender);
        let (context, host) = Context::leak(Arc::new(move |report| {
            assert_ne!(report, Report::Fault("panic".into()), "a listener of ours that panics");
            sender.lock().unwrap().send(report).unwrap();
        }));
        let say = |text: &[u8]| {
            // SAFETY: the table is whole and the text is there.
            unsafe { host.report_fault.unwrap()(host.context, text.as_ptr().cast(), text.len()) }
        };
        say(b"panic");
        say(&[b'x'; 5000]);
        assert_eq!(reports.try_recv(), Ok(Report::Fault("x".repeat(TEXT_MAX))));
        // SAFETY: null is nothing to read, whatever the length.
        unsafe { host.log.unwrap()(host.context, 99, std::ptr::null(), 7) };
        assert_eq!(reports.try_recv(), Ok(Report::Log { level: Level::Debug, text: String::new() }));
        context.close();
        say(b"late");
        assert_eq!(reports.try_recv(), Err(mpsc::TryRecvError::Disconnected), "the listener is let go");
    }
}
