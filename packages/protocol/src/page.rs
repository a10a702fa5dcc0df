//! Paging of lists: one rule for every query.

/// Items of a page when the query names no limit.
pub const DEFAULT_LIMIT: u32 = 10;
/// Most items of a page, whatever the query asks.
pub const MAX_LIMIT: u32 = 30;

/// Items of the page for the limit asked.
pub fn limit(asked: Option<u32>) -> usize {
    asked.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_never_longer_than_the_limit() {
        assert_eq!(limit(None), 10);
        assert_eq!(limit(Some(0)), 0);
        assert_eq!(limit(Some(30)), 30);
        assert_eq!(limit(Some(31)), 30);
        assert_eq!(limit(Some(u32::MAX)), 30);
    }
}
