//! Which namespaces are read from an API server.

/// Whose objects count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Those of all namespaces.
    All,
    /// Those of these namespaces.
    Namespaces(Vec<String>),
    /// Those of namespaces with labels that this selects.
    Selector(String),
}
