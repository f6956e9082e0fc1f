use std::panic::{catch_unwind, AssertUnwindSafe};

use texgen_fast::{Kernel, Parameters, Synthesizer, ALGORITHM_VERSION};

use crate::panic::panic_text;
use crate::{Description, Engine, EngineError, RgbImage, RgbView, Timings};

/// Passes that resolve pixels again, as upstream counts them: fixed in the
/// algorithm, and named beside its parameters since textures depend on it.
const BACKTRACK_STAGES: f64 = 5.0;

/// Size of a pass as a share of the next one's; likewise.
const BACKTRACK_PERCENT: f64 = 0.5;

/// The algorithm of `texgen-fast` with upstream's parameters. It keeps schedules
/// and buffers, so that the first textures of a process take longer than others.
#[derive(Debug)]
pub struct Fast {
    parameters: Parameters,
    kernel: Kernel,
    /// None at first and after a panic, which may have left it half changed.
    synthesizer: Option<Synthesizer>,
    timings: Timings,
}

impl Fast {
    /// An engine with upstream's parameters and the kernel of that name, or the
    /// fastest that runs here. Textures do not depend on the kernel.
    ///
    /// # Errors
    ///
    /// A sentence that lists the kernels where there is none of that name.
    pub fn new(kernel: Option<&str>) -> Result<Self, String> {
        let kernel = match kernel {
            Some(name) => Kernel::named(name).map_err(|error| error.to_string())?,
            None => Kernel::detect(),
        };
        Ok(Self {
            parameters: Parameters::default(),
            kernel,
            synthesizer: None,
            timings: Timings::default(),
        })
    }

    fn run(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, EngineError> {
        let mut synthesizer = match self.synthesizer.take() {
            Some(synthesizer) => synthesizer,
            None => Synthesizer::with(self.parameters, self.kernel)?,
        };
        let texture = synthesizer.synthesize(examples, size, seed);
        let timings = synthesizer.timings();
        self.timings = Timings {
            schedule: timings.schedule,
            load: timings.load,
        };
        self.synthesizer = Some(synthesizer);
        Ok(texture?)
    }
}

impl Engine for Fast {
    fn description(&self) -> Description {
        let parameters = self.parameters;
        Description {
            name: "fast",
            version: ALGORITHM_VERSION.to_string(),
            parameters: vec![
                ("neighbours", f64::from(parameters.neighbours)),
                ("random_candidates", f64::from(parameters.random_candidates)),
                ("mirrored", f64::from(u8::from(parameters.mirrored))),
                ("backtrack_percent", BACKTRACK_PERCENT),
                ("backtrack_stages", BACKTRACK_STAGES),
            ],
        }
    }

    fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        seed: u64,
    ) -> Result<RgbImage, EngineError> {
        // While it runs the synthesizer is not in `self`, so that a panic drops it.
        catch_unwind(AssertUnwindSafe(|| self.run(examples, size, seed)))
            .unwrap_or_else(|panic| Err(EngineError::Panicked(panic_text(panic.as_ref()))))
    }

    fn kernel(&self) -> Option<&'static str> {
        Some(self.kernel.name())
    }

    fn timings(&self) -> Timings {
        self.timings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXELS: [u8; 48] = [7; 48];

    fn example() -> RgbView<'static> {
        RgbView::new(4, 4, &PIXELS).unwrap()
    }

    #[test]
    fn it_says_which_kernel_runs() {
        let engine = Fast::new(Some("scalar")).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(engine.kernel(), Some("scalar"));
        let fastest = Fast::new(None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(fastest.kernel(), Some(Kernel::detect().name()));
    }

    #[test]
    fn its_description_names_version_and_parameters_but_no_kernel() {
        let about = Fast::new(Some("scalar")).unwrap().description();
        assert_eq!(about, Fast::new(None).unwrap().description());
        assert_eq!(about.version, ALGORITHM_VERSION.to_string());
        assert!(about.parameters.contains(&("neighbours", 50.0)));
    }

    #[test]
    fn what_it_does_not_take_is_rejected_and_the_next_call_is_fine() {
        let mut engine = Fast::new(None).unwrap();
        for (examples, size) in [(&[][..], 8), (&[example()][..], 0), (&[example()], 1025)] {
            let error = engine.synthesize(examples, size, 0).unwrap_err();
            assert!(matches!(error, EngineError::Rejected(_)), "{error}");
        }
        let texture = engine.synthesize(&[example()], 8, 0).unwrap();
        assert_eq!(texture.pixels, [7; 192]);
    }

    #[test]
    fn a_schedule_takes_time_once() {
        let mut engine = Fast::new(None).unwrap();
        engine.synthesize(&[example()], 64, 0).unwrap();
        assert!(!engine.timings().schedule.is_zero());
        engine.synthesize(&[example()], 64, 0).unwrap();
        assert!(engine.timings().schedule.is_zero());
        assert!(!engine.timings().load.is_zero());
    }

    #[test]
    fn an_unknown_kernel_is_refused_with_those_there_are() {
        let error = Fast::new(Some("quick")).unwrap_err();
        assert!(
            error.contains("quick") && error.contains("scalar"),
            "{error}"
        );
    }
}
