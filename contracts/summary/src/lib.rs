//! What happened: lanes, heads and acknowledgements
