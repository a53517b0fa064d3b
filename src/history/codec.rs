//! Small whole numbers in few bytes, for everything that is kept by the million.
//!
//! A number is written in groups of seven bits, the lowest first, each in a byte whose highest bit says that another
//! follows (LEB128, as DWARF and WebAssembly use it). Signed numbers are folded first, so that small negative ones are
//! short too: 0, -1, 1, -2 become 0, 1, 2, 3.

/// What was read is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored record ends too early or holds what was never written")]
pub struct Malformed;

/// Appends a number.
pub(crate) fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Appends a number that may be negative.
pub(crate) fn put_signed(to: &mut Vec<u8>, number: i64) {
    put(to, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends bytes with their length.
pub(crate) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Reads what was appended, in the same order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let folded = self.number()?;
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    /// A number that fits the type.
    pub(crate) fn number_as<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.number()?).map_err(|_too_large| Malformed)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.number_as::<usize>()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_not_text| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_what_was_written(numbers: Vec<u64>, signed: Vec<i64>, text: String) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|number| put(&mut bytes, *number));
            signed.iter().for_each(|number| put_signed(&mut bytes, *number));
            put_bytes(&mut bytes, text.as_bytes());
            let mut reader = Reader::new(&bytes);
            for number in numbers {
                prop_assert_eq!(reader.number(), Ok(number));
            }
            for number in signed {
                prop_assert_eq!(reader.signed(), Ok(number));
            }
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn never_reads_past_the_end(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.number().is_ok() {}
            let mut reader = Reader::new(&bytes);
            while reader.bytes().is_ok() {}
        }
    }

    #[test]
    fn small_numbers_are_short() {
        let length = |number| {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            bytes.len()
        };
        assert_eq!([0, -64, 63, 64, -8_192].map(length), [1, 1, 1, 2, 2]);
        assert_eq!(Reader::new(&[0x80]).number(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 11]).number(), Err(Malformed));
    }
}
