//! How clients are treated before it is known what they ask for.

/// What holds for connections of clients, TLS, what is believed of who stands in between, and the
/// log: said by flags and by the ConfigMap of the controller, published with the table. A
/// connection reads it anew for each request, so that another value cuts none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Downstream {}
