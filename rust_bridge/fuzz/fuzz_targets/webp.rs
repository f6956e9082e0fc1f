//! Any picture comes back from a WebP file as it was.
#![no_main]

use std::io::Cursor;

use arbitrary::Unstructured;
use libfuzzer_sys::{fuzz_target, Corpus};
use texgen_fuzz::picture;
use texgen_worker::encode::{encode, Format};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(picture) = picture(Unstructured::new(data)) else {
        return Corpus::Reject;
    };
    let file = encode(&picture, Format::Webp).expect("the sides are within the format's");
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).expect("a WebP file");
    assert!(!decoder.has_alpha());
    assert_eq!(decoder.dimensions(), (picture.width, picture.height));
    let mut pixels = vec![0; decoder.output_buffer_size().expect("a small picture")];
    decoder.read_image(&mut pixels).expect("whole pixels");
    assert!(pixels == picture.pixels, "other pixels");
    Corpus::Keep
});
