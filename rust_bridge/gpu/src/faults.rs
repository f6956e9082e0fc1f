//! What goes wrong on a device: in the calls of one thread, or for all threads.

use std::sync::{Arc, Mutex, PoisonError};

use wgpu::ErrorFilter;

use crate::Error;

/// What went wrong on a device that several threads use; without it wgpu would panic.
#[derive(Debug)]
pub struct Faults {
    device: wgpu::Device,
    /// Why the device is of no use any more, to any thread.
    lost: Arc<Mutex<Option<Error>>>,
}

/// What wgpu caught in the calls of one thread, by kind; the first of each.
#[derive(Debug, Default)]
struct Caught {
    memory: Option<wgpu::Error>,
    validation: Option<wgpu::Error>,
    internal: Option<wgpu::Error>,
}

impl Faults {
    /// Watches a device, from before its first use.
    pub fn watch(device: &wgpu::Device) -> Self {
        let lost = Arc::new(Mutex::new(None));
        let note = {
            let lost = Arc::clone(&lost);
            move |text: String| {
                let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
                lost.get_or_insert(Error::Lost(one_line(&text)));
            }
        };
        let uncaught = note.clone();
        device.set_device_lost_callback(move |reason, text| note(format!("{reason:?}: {text}")));
        // All calls are checked, so that this is a fault of nobody's call.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            uncaught(error.to_string());
        }));
        Self {
            device: device.clone(),
            lost,
        }
    }

    /// Makes a call that uses the device. wgpu keeps the faults of threads apart, so that a call
    /// has its own alone, beside the loss of the device, which is everybody's and stays.
    ///
    /// # Errors
    ///
    /// What went wrong on the device, else what the call says.
    pub fn checked<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let scopes = [
            ErrorFilter::OutOfMemory,
            ErrorFilter::Validation,
            ErrorFilter::Internal,
        ];
        let [memory, validation, internal] =
            scopes.map(|filter| self.device.push_error_scope(filter));
        let made = call();
        // From the last to the first, as wgpu demands it.
        let internal = pollster::block_on(internal.pop());
        let validation = pollster::block_on(validation.pop());
        let memory = pollster::block_on(memory.pop());
        let caught = Caught {
            memory,
            validation,
            internal,
        };
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let made = verdict(lost.as_ref(), caught, made);
        if let Err(error @ Error::Lost(_)) = &made {
            lost.get_or_insert_with(|| error.clone());
        }
        made
    }
}

/// What a call gives, after what is known of the device and what was caught.
fn verdict<T>(lost: Option<&Error>, caught: Caught, made: Result<T, Error>) -> Result<T, Error> {
    if let Some(lost) = lost {
        return Err(lost.clone());
    }
    // A buffer without memory makes every use of it invalid: those errors say nothing new.
    if let Some(error) = caught.memory {
        return Err(Error::OutOfMemory(one_line(&text(&error))));
    }
    match caught.validation.or(caught.internal) {
        Some(error) => Err(Error::Lost(one_line(&text(&error)))),
        None => made,
    }
}

/// What wgpu says, which for memory is in the source alone.
fn text(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { source } => source.to_string(),
        other => other.to_string(),
    }
}

/// wgpu's texts have several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_memory() -> Option<wgpu::Error> {
        let source = "In Device::create_buffer,\n  label = 'atlas'".into();
        Some(wgpu::Error::OutOfMemory { source })
    }

    fn invalid() -> Option<wgpu::Error> {
        let description = "Validation Error\n\nCaused by:\n  Buffer with 'atlas' is invalid".into();
        Some(wgpu::Error::Validation {
            source: "a buffer".into(),
            description,
        })
    }

    #[test]
    fn memory_that_is_missing_is_no_loss_though_what_uses_it_is_invalid() {
        let caught = Caught {
            memory: out_of_memory(),
            validation: invalid(),
            internal: None,
        };
        let error = verdict(
            None,
            caught,
            Err::<(), _>(Error::Lost("unmapped".to_owned())),
        );
        let text = "In Device::create_buffer, label = 'atlas'".to_owned();
        assert_eq!(error, Err(Error::OutOfMemory(text)));
    }

    #[test]
    fn an_invalid_call_and_a_fault_of_the_driver_are_the_loss_of_the_device() {
        let text = "Validation Error Caused by: Buffer with 'atlas' is invalid";
        for caught in [
            Caught {
                validation: invalid(),
                ..Caught::default()
            },
            Caught {
                internal: invalid(),
                ..Caught::default()
            },
        ] {
            assert_eq!(verdict(None, caught, Ok(())), Err(Error::Lost(text.into())));
        }
    }

    #[test]
    fn a_lost_device_is_lost_whatever_else_is_said() {
        let lost = Error::Lost("Destroyed".to_owned());
        let caught = Caught {
            memory: out_of_memory(),
            ..Caught::default()
        };
        assert_eq!(verdict(Some(&lost), caught, Ok(())), Err(lost.clone()));
        let made = Err::<(), _>(Error::Timeout);
        assert_eq!(verdict(Some(&lost), Caught::default(), made), Err(lost));
    }

    #[test]
    fn without_a_fault_a_call_gives_what_it_gives() {
        assert_eq!(verdict(None, Caught::default(), Ok(3)), Ok(3));
        let made = Err::<(), _>(Error::Timeout);
        assert_eq!(verdict(None, Caught::default(), made), Err(Error::Timeout));
    }
}
