//! What keeps optout from doing its job here.
