//! The provider agent's HTTP interface: requests, responses, problems and signatures
