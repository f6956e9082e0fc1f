//! Any examples, parameters, sizes and seeds: every kernel makes the same
//! texture, of copied pixels, and what cannot be made is the error it should be.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{fuzz_target, Corpus};
use texgen_engine::{RgbImage, RgbView};
use texgen_fast::{Error, Kernel, Parameters, Synthesizer, MAX_SIZE};
use texgen_fuzz::{sides, Ink};

const MOST_NEIGHBOURS: u32 = 50;
const MOST_CANDIDATES: u32 = 50;

/// Widest and highest example, px: beyond 1,024 px candidates are drawn
/// another way, from about 700 px on steps are not kept, and from about 400 px
/// on the largest textures' kept offsets are too wide for 16 bits.
const LONGEST: u32 = 1100;

/// What one call is asked for.
#[derive(Debug)]
struct Call {
    /// How many of the examples, from the first.
    examples: usize,
    size: u32,
    seed: u64,
}

#[derive(Debug)]
struct Input {
    parameters: Parameters,
    /// Of the same synthesizer: what it keeps must not show.
    calls: Vec<Call>,
    examples: Vec<RgbImage>,
}

impl Input {
    fn new(mut u: Unstructured<'_>) -> Result<Self> {
        let parameters = Parameters {
            // Values outside the range, seldom.
            neighbours: u.int_in_range(0..=MOST_NEIGHBOURS + 1)?,
            random_candidates: u.int_in_range(0..=MOST_CANDIDATES + 1)?,
            mirrored: u.arbitrary()?,
        };
        let sides = (0..u.int_in_range(0..=4_u8)?)
            .map(|_| sides(&mut u, 64, LONGEST))
            .collect::<Result<Vec<_>>>()?;
        let calls = (0..u.int_in_range(1..=2_u8)?)
            .map(|_| call(&mut u, sides.len()))
            .collect::<Result<Vec<_>>>()?;
        let mut ink = Ink::rest(u)?;
        Ok(Self {
            parameters,
            calls,
            examples: sides.into_iter().map(|s| ink.picture(s)).collect(),
        })
    }
}

fn call(u: &mut Unstructured<'_>, examples: usize) -> Result<Call> {
    Ok(Call {
        examples: u.int_in_range(1..=examples.max(1))?.min(examples),
        // Most are small, which takes the least time.
        size: match u.int_in_range(0..=15_u8)? {
            0 => u.int_in_range(0..=96)?,
            1 => [0, MAX_SIZE + 1, u32::MAX][u.choose_index(3)?],
            _ => u.int_in_range(1..=32)?,
        },
        seed: u.arbitrary()?,
    })
}

/// What the call must fail with.
fn fault(call: &Call) -> Option<Error> {
    if !(1..=MAX_SIZE).contains(&call.size) {
        return Some(Error::Size(call.size));
    }
    (call.examples == 0).then_some(Error::NoExamples)
}

fn assert_copied(texture: &RgbImage, synthesizer: &Synthesizer, examples: &[RgbView<'_>]) {
    let sources = synthesizer.sources();
    assert_eq!(texture.pixels.len(), sources.len() * 3);
    for (pixel, source) in texture.pixels.chunks_exact(3).zip(sources) {
        let example = examples[source.example as usize];
        assert!(source.x < example.width() && source.y < example.height());
        let at = (source.y * example.width() + source.x) as usize * 3;
        assert_eq!(pixel, &example.pixels()[at..at + 3]);
    }
}

fn run(synthesizer: &mut Synthesizer, call: &Call, examples: &[RgbView<'_>]) -> Option<RgbImage> {
    match (
        synthesizer.synthesize(examples, call.size, call.seed),
        fault(call),
    ) {
        (Ok(texture), None) => {
            assert_eq!((texture.width, texture.height), (call.size, call.size));
            assert_copied(&texture, synthesizer, examples);
            Some(texture)
        }
        (Err(error), Some(expected)) => {
            assert_eq!(error, expected);
            assert!(!error.to_string().is_empty());
            None
        }
        (made, expected) => panic!("{made:?} instead of {expected:?}"),
    }
}

fn fuzz(input: &Input) {
    let Input { parameters, .. } = *input;
    let views: Vec<_> = input
        .examples
        .iter()
        .map(|e| RgbView::new(e.width, e.height, &e.pixels).expect("the pixels fit"))
        .collect();
    let allowed = (1..=MOST_NEIGHBOURS).contains(&parameters.neighbours)
        && (1..=MOST_CANDIDATES).contains(&parameters.random_candidates);
    let kernels = Kernel::available();
    let synthesizers: std::result::Result<Vec<_>, _> = kernels
        .iter()
        .map(|kernel| Synthesizer::with(parameters, *kernel))
        .collect();
    let mut synthesizers = match synthesizers {
        Ok(synthesizers) => synthesizers,
        Err(error) => {
            assert!(
                !allowed && matches!(error, Error::Parameter { .. }),
                "{error}"
            );
            return;
        }
    };
    assert!(allowed);
    for (number, call) in input.calls.iter().enumerate() {
        let examples = &views[..call.examples];
        let mut made = synthesizers.iter_mut().map(|s| run(s, call, examples));
        let first = made.next().flatten();
        assert!(made.all(|other| other == first), "the kernels differ");
        if number > 0 {
            // Its buffers are just as long as needed, too, so that
            // AddressSanitizer sees every access behind their ends.
            let mut fresh = Synthesizer::with(parameters, Kernel::detect()).expect("it did before");
            let again = run(&mut fresh, call, examples);
            assert!(again == first, "an earlier call shows");
        }
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(input) = Input::new(Unstructured::new(data)) else {
        return Corpus::Reject;
    };
    fuzz(&input);
    Corpus::Keep
});
