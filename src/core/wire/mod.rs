//! Bytes ⇄ meaning, one protocol a file. Parsers answer three ways: done,
//! incomplete, malformed.
