//! Gas and its price.

use std::{fmt, str::FromStr};

use crate::ChainError;

/// Decimal places of a price, as on the chain.
const PLACES: usize = 18;

/// Shortest and longest name of a coin, characters.
const DENOM_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// The price of one unit of gas: a decimal amount and a denomination, such as `0.001stake`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GasPrice {
    /// The price in 10^-18 of the coin.
    scaled: u128,
    denom: String,
}

impl GasPrice {
    /// The coin fees are paid in.
    pub fn denom(&self) -> &str {
        &self.denom
    }

    /// The fee for `limit` units of gas, rounded up.
    pub fn fee(&self, limit: u64) -> u128 {
        // Below 2^128: the price is below 2^64 · 10^-18 · 10^18 (checked in `from_str`).
        (self.scaled * u128::from(limit)).div_ceil(10u128.pow(PLACES as u32))
    }
}

impl FromStr for GasPrice {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Self, ChainError> {
        let wrong = || ChainError::invalid("gas_price", format!("{text:?} is not like \"0.001stake\""));
        let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, denom) = text.split_at(split);
        check_denom(denom)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > PLACES || !digits(whole) || !digits(fraction) {
            return Err(wrong());
        }
        let scaled: u128 = format!("{whole}{fraction:0<PLACES$}").parse().map_err(|_| wrong())?;
        if scaled > u128::from(u64::MAX) {
            return Err(ChainError::invalid("gas_price", format!("{text:?} is above 18 coins for one gas")));
        }
        Ok(Self { scaled, denom: denom.to_owned() })
    }
}

impl fmt::Display for GasPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10u128.pow(PLACES as u32);
        let fraction = format!("{:0PLACES$}", self.scaled % one);
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{}", self.scaled / one)?;
        if !fraction.is_empty() {
            write!(f, ".{fraction}")?;
        }
        f.write_str(&self.denom)
    }
}

/// A coin's name as the chain takes it.
pub(crate) fn check_denom(denom: &str) -> Result<(), ChainError> {
    let legal = DENOM_LENGTH.contains(&denom.len())
        && denom.starts_with(|c: char| c.is_ascii_alphabetic())
        && denom.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:._-".contains(&b));
    if legal {
        Ok(())
    } else {
        Err(ChainError::invalid("denom", format!("{denom:?} is not the name of a coin")))
    }
}

/// What a transaction may use and pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gas {
    /// Most gas it may use. Blocks count limits, not use: keep it tight.
    pub limit: u64,
    /// The fee, in the chain's fee coin.
    pub fee: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_round_up() {
        let price: GasPrice = "0.001stake".parse().unwrap();
        assert_eq!(price.denom(), "stake");
        assert_eq!([0, 1, 1000, 1001, 62_000].map(|gas| price.fee(gas)), [0, 1, 1, 2, 62]);
        assert_eq!("0stake".parse::<GasPrice>().unwrap().fee(u64::MAX), 0);
        assert_eq!("2stake".parse::<GasPrice>().unwrap().fee(21), 42);
    }

    #[test]
    fn prices_print_as_they_are_read() {
        for text in ["0.001stake", "0stake", "12.5ibc/ABCDEF", "18.446744073709551615stake"] {
            let price: GasPrice = text.parse().unwrap();
            assert_eq!(price.to_string(), text);
            price.fee(u64::MAX);
        }
        assert_eq!("1.500stake".parse::<GasPrice>().unwrap().to_string(), "1.5stake");
    }

    #[test]
    fn malformed_prices() {
        for bad in [
            "",
            "stake",
            "0.001",
            ".1stake",
            "1.stakes!",
            "-1stake",
            "1,5stake",
            "0.001st",
            "0.0000000000000000001stake",
            "18.446744073709551616stake",
            "1.2.3stake",
        ] {
            assert!(bad.parse::<GasPrice>().is_err(), "{bad}");
        }
    }
}
