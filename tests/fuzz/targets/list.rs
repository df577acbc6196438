//! Any bytes as a list, in each format and in the one that is found out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::host::HostName;
use optout::core::list::{Format, Reader};

fuzz_target!(|bytes: &[u8]| {
    for format in [None, Some(Format::Hosts), Some(Format::Domains)] {
        let mut reader = Reader::new(format);
        let (mut lines, mut names) = (0, 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            lines += 1;
            reader.line(line, |number, host| {
                names += 1;
                assert_eq!(number, lines, "a rule of another line");
                assert_eq!(host.as_str().parse::<HostName>().as_ref(), Ok(host));
                assert!(host.as_str().contains('.'), "a top-level domain alone: {host}");
            });
        }
        let counts = reader.counts();
        assert_eq!((counts.lines, counts.names), (lines, names));
        assert!(counts.ignored <= lines);
        assert!(names == 0 || reader.format().is_some());
    }
});
