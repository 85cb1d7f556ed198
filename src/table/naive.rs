//! The slow obvious matcher: the oracle of the fast one.
