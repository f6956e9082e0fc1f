//! Any picture comes back from a PNG file as it was.
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
    let file = encode(&picture, Format::Png).expect("no picture is too large");
    let mut decoder = png::Decoder::new(Cursor::new(&file[..]));
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().expect("a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a small picture")];
    let info = reader.next_frame(&mut pixels).expect("whole pixels");
    assert_eq!((info.width, info.height), (picture.width, picture.height));
    assert_eq!(info.color_type, png::ColorType::Rgb);
    assert!(pixels == picture.pixels, "other pixels");
    // The decoder is done with the pixels; sums and the end count too.
    reader.finish().expect("a whole file");
    assert!(file.ends_with(b"IEND\xae\x42\x60\x82"));
    Corpus::Keep
});
