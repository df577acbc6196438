//! The packs that are built in, as `build.rs` packed them.

/// A pack of `blocklists/`, and its text in little room.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// The name of its file without `.toml`.
    pub key: &'static str,
    /// Its text, compressed (RFC 1951).
    pub deflated: &'static [u8],
}

impl Packed {
    /// Its text.
    ///
    /// # Panics
    ///
    /// If it cannot be unpacked; the tests unpack them all.
    #[must_use]
    pub fn text(&self) -> String {
        let text = miniz_oxide::inflate::decompress_to_vec(self.deflated).ok();
        text.and_then(|text| String::from_utf8(text).ok()).expect("built-in packs are tested")
    }
}

/// Packs by the names of their files.
macro_rules! packs {
    ($($key:literal),* $(,)?) => {
        &[$(Packed {
            key: $key,
            deflated: include_bytes!(concat!(env!("OUT_DIR"), "/", $key, ".deflate")),
        }),*]
    };
}

/// The packs that are built in. A test compares them with the folder.
#[rustfmt::skip]
pub const EMBEDDED: &[Packed] = packs![
    // Phones.
    "oneplus", "oppo", "xiaomi", "samsung-mobile", "huawei", "honor", "vivo", "google", "apple",
    // Computers, TVs and what is used on them.
    "microsoft", "mozilla", "ubuntu", "devtools", "amazon", "samsung-tv", "lg", "roku", "vizio",
    "sony", "smart-tv-other", "netflix",
    // What apps by others carry in them.
    "meta", "bytedance", "appsflyer", "adjust", "branch", "kochava", "singular", "amplitude",
    "mixpanel", "segment", "flurry", "sentry", "bugsnag", "newrelic", "clevertap", "onesignal",
    "braze", "unity", "gameanalytics", "applovin", "umeng", "tencent", "talkingdata", "baidu",
    "alibaba", "jiguang", "yandex", "other-sdk",
    // No vendors.
    "bypass", "never-block",
];
