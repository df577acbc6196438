//! What is found in one segment costs no allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use optout::core::sniff::{Sniffed, Stream};
use serde_json::Value;

/// Counts what each thread asks for, and asks the system.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it is.
#[expect(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is one of the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[test]
fn a_hello_in_one_segment_costs_no_allocation() {
    for id in ["T01-plain", "T12-grease", "T34-ech-grease", "T13-no-sni"] {
        let hello = vector(id);
        let (outcome, allocations) = sniff(&[&hello]);
        assert_eq!(matches!(outcome, Sniffed::Named(_)), id != "T13-no-sni", "{id}");
        assert_eq!(allocations, 0, "{id}");
    }
}

#[test]
fn the_record_behind_a_hello_costs_no_allocation() {
    let hello = vector("T01-plain");
    let (outcome, allocations) = sniff(&[&hello, &[20, 3, 3, 0, 1, 1], &[23, 3, 3, 0, 9, 7, 7]]);
    assert!(matches!(outcome, Sniffed::Named(_)));
    assert_eq!(allocations, 0);
}

#[test]
fn a_request_in_one_segment_costs_no_allocation() {
    let (outcome, allocations) = sniff(&[b"\r\nGET / HTTP/1.1\r\nHost: t.example:80\r\n\r\n"]);
    assert!(matches!(outcome, Sniffed::Named(_)));
    assert_eq!(allocations, 0);
}

/// Without this the tests above would pass if nothing were counted.
#[test]
fn a_hello_in_two_segments_costs_some() {
    let hello = vector("T01-plain");
    let (first, second) = hello.split_at(60);
    let (outcome, allocations) = sniff(&[first, second]);
    assert!(matches!(outcome, Sniffed::Named(_)));
    assert!((1..10).contains(&allocations), "{allocations}");
}

/// What these segments come to, and what they cost.
fn sniff(segments: &[&[u8]]) -> (Sniffed, u64) {
    let before = ALLOCATIONS.get();
    let mut stream = Stream::default();
    let mut outcome = Sniffed::NeedMore;
    for segment in segments {
        outcome = black_box(stream.push(segment));
    }
    (outcome, ALLOCATIONS.get() - before)
}

fn vector(id: &str) -> Vec<u8> {
    let rows = include_str!("data/tls_clienthello.jsonl");
    let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("a row"));
    let row = rows.into_iter().find(|row| row["id"] == id).expect("the row is there");
    let hex = row["segments"][0][1].as_str().expect("its bytes");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}
