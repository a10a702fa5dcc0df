//! FHIR R4 JSON by shape, while it arrives.
//!
//! Responsible for: whole, well-formed JSON (RFC 8259) in UTF-8; an object with a string
//! `resourceType`; in a Bundle, every element of `entry` an object whose `resource` is an object with
//! a string `resourceType`. Each fault names the element. Holds no content but the few names it
//! compares. It is no FHIR validator.

/// Media type that is checked by shape.
pub const FHIR_JSON: &str = "application/fhir+json";
/// Deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 128;
/// Longest name or value that is kept for comparison, bytes.
const MAX_KEPT: usize = 64;

/// What is wrong with the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{element}: {reason}")]
pub struct ShapeError {
    /// The element, such as `entry[3].resource`, or `byte 17`.
    pub element: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Whether a media type is FHIR JSON, with or without parameters.
pub fn is_fhir_json(media_type: &str) -> bool {
    media_type.split(';').next().is_some_and(|essence| essence.trim_end() == FHIR_JSON)
}

/// Where a value stands, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The resource itself.
    Root,
    /// `entry` of the resource.
    Entries,
    /// An element of `entry`.
    Entry,
    /// `resource` of an element.
    Resource,
    /// `resourceType` of the root or of an entry's resource.
    Type,
    /// Anything else.
    Other,
}

#[derive(Debug)]
struct Frame {
    place: Place,
    array: bool,
    /// Elements or members so far.
    count: u64,
    /// A `resourceType` was in this object.
    typed: bool,
    /// A `resource` (of an entry) or an `entry` (of the root) was in this object.
    holds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must come.
    Value,
    /// A value or `]`.
    ValueOrEnd,
    /// A member's name.
    Name,
    /// A member's name or `}`.
    NameOrEnd,
    Colon,
    /// `,` or the end of the container.
    Next,
    /// In a string; a name if set.
    Text {
        name: bool,
    },
    /// After `\`.
    Escape {
        name: bool,
    },
    /// Hexadecimal digits still to come.
    Unicode {
        name: bool,
        left: u8,
    },
    /// A high surrogate came: `\` must follow.
    Low {
        name: bool,
        step: u8,
    },
    /// In `true`, `false` or `null`: the rest.
    Word(&'static [u8]),
    Number(Number),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Number {
    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }

    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::Sign,
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
            _ => return None,
        })
    }
}

/// Checks a resource as its bytes arrive.
#[derive(Debug)]
pub struct ShapeCheck {
    state: State,
    stack: Vec<Frame>,
    /// Where the value that comes next stands.
    place: Place,
    /// The name or type being read, as far as it is kept; cleared by an escape.
    text: Option<Vec<u8>>,
    /// Value of the escape being read, and the high surrogate before it.
    unit: u32,
    bundle: bool,
    /// A fault that counts if the resource turns out to be a Bundle: `entry` can come before
    /// `resourceType`.
    pending: Option<ShapeError>,
    utf8: Utf8,
    position: u64,
}

impl Default for ShapeCheck {
    fn default() -> Self {
        Self {
            state: State::Value,
            stack: Vec::new(),
            place: Place::Root,
            text: None,
            unit: 0,
            bundle: false,
            pending: None,
            utf8: Utf8::default(),
            position: 0,
        }
    }
}

impl ShapeCheck {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ShapeError> {
        for &byte in bytes {
            if !self.utf8.push(byte) {
                return Err(self.syntax("not UTF-8"));
            }
            self.byte(byte)?;
            self.position += 1;
        }
        Ok(())
    }

    /// The end.
    pub fn finish(self) -> Result<(), ShapeError> {
        if self.state == State::Done { Ok(()) } else { Err(self.syntax("the JSON ends too early")) }
    }

    fn syntax(&self, reason: &'static str) -> ShapeError {
        ShapeError { element: format!("byte {}", self.position), reason }
    }

    fn byte(&mut self, byte: u8) -> Result<(), ShapeError> {
        match self.state {
            State::Text { name } => return self.text(byte, name),
            State::Escape { name } => return self.escape(byte, name),
            State::Unicode { name, left } => return self.unicode(byte, name, left),
            State::Low { name, step } => return self.low(byte, name, step),
            State::Word(rest) => return self.word(byte, rest),
            State::Number(number) => {
                if let Some(next) = number.next(byte) {
                    self.state = State::Number(next);
                    return Ok(());
                }
                if !number.may_end() {
                    return Err(self.syntax("malformed number"));
                }
                self.value_done();
            }
            _ => {}
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        self.structure(byte)
    }

    fn structure(&mut self, byte: u8) -> Result<(), ShapeError> {
        match (self.state, byte) {
            (State::ValueOrEnd, b']') | (State::NameOrEnd, b'}') => self.close(byte),
            (State::Value | State::ValueOrEnd, _) => self.value(byte),
            (State::Name | State::NameOrEnd, b'"') => {
                self.text = Some(Vec::new());
                self.state = State::Text { name: true };
                Ok(())
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(())
            }
            (State::Next, b',') => {
                let array = self.stack.last().is_some_and(|frame| frame.array);
                self.state = if array { State::Value } else { State::Name };
                Ok(())
            }
            (State::Next, b']' | b'}') => self.close(byte),
            (State::Done, _) => Err(self.syntax("something follows the JSON")),
            _ => Err(self.syntax("malformed JSON")),
        }
    }

    /// A value begins.
    fn value(&mut self, byte: u8) -> Result<(), ShapeError> {
        if let Some(frame) = self.stack.last_mut().filter(|frame| frame.array) {
            self.place = if frame.place == Place::Entries { Place::Entry } else { Place::Other };
            frame.count += 1;
        }
        let expected = match self.place {
            Place::Root | Place::Entry | Place::Resource => byte == b'{',
            Place::Entries => byte == b'[',
            Place::Type => byte == b'"',
            Place::Other => true,
        };
        if !expected {
            self.fault(self.misplaced())?;
            self.place = Place::Other;
        }
        self.state = match byte {
            b'{' | b'[' => return self.open(byte == b'['),
            b'"' => {
                self.text = (self.place == Place::Type).then(Vec::new);
                State::Text { name: false }
            }
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Whole),
            _ => return Err(self.syntax("malformed JSON")),
        };
        Ok(())
    }

    /// A fault of the shape. Inside `entry` it counts for a Bundle only.
    fn fault(&mut self, error: ShapeError) -> Result<(), ShapeError> {
        let inside_entry = self.stack.len() > 1 || self.place == Place::Entries;
        if inside_entry && !self.bundle {
            self.pending.get_or_insert(error);
            return Ok(());
        }
        Err(error)
    }

    /// A value of another kind than its place has.
    fn misplaced(&self) -> ShapeError {
        let (element, reason) = match self.place {
            Place::Root => ("resource".into(), "must be a JSON object"),
            Place::Entries => ("entry".into(), "must be an array"),
            Place::Entry => (self.entry(), "must be an object"),
            Place::Resource => (format!("{}.resource", self.entry()), "must be an object"),
            Place::Type | Place::Other => (self.type_element(), "must be a string"),
        };
        ShapeError { element, reason }
    }

    /// The element of `entry` being read.
    fn entry(&self) -> String {
        let entries = self.stack.iter().find(|frame| frame.place == Place::Entries);
        format!("entry[{}]", entries.map_or(0, |frame| frame.count.saturating_sub(1)))
    }

    fn type_element(&self) -> String {
        match self.stack.last().map(|frame| frame.place) {
            Some(Place::Resource) => format!("{}.resource.resourceType", self.entry()),
            _ => "resourceType".into(),
        }
    }

    fn open(&mut self, array: bool) -> Result<(), ShapeError> {
        if self.stack.len() == MAX_DEPTH {
            return Err(self.syntax("nested too deeply"));
        }
        self.stack.push(Frame { place: self.place, array, count: 0, typed: false, holds: false });
        self.state = if array { State::ValueOrEnd } else { State::NameOrEnd };
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), ShapeError> {
        let matches = self.stack.last().is_some_and(|frame| frame.array == (byte == b']'));
        if !matches {
            return Err(self.syntax("malformed JSON"));
        }
        self.check_closed()?;
        self.stack.pop();
        self.value_done();
        Ok(())
    }

    /// What an object must have held.
    fn check_closed(&mut self) -> Result<(), ShapeError> {
        let Some(frame) = self.stack.last() else { return Ok(()) };
        let missing = match frame.place {
            Place::Root if !frame.typed => "resourceType".into(),
            Place::Resource if !frame.typed => format!("{}.resource.resourceType", self.entry()),
            Place::Entry if !frame.holds => format!("{}.resource", self.entry()),
            _ => return Ok(()),
        };
        self.fault(ShapeError { element: missing, reason: "is missing" })
    }

    /// Until the type is known, `entry` may be a Bundle's.
    fn may_be_bundle(&self) -> bool {
        self.bundle || !self.stack.first().is_some_and(|root| root.typed)
    }

    fn value_done(&mut self) {
        self.place = Place::Other;
        self.state = if self.stack.is_empty() { State::Done } else { State::Next };
    }

    fn keep(&mut self, byte: u8) {
        if let Some(text) = &mut self.text {
            text.push(byte);
            if text.len() > MAX_KEPT {
                self.text = None;
            }
        }
    }

    fn text(&mut self, byte: u8, name: bool) -> Result<(), ShapeError> {
        match byte {
            b'"' => self.text_done(name),
            b'\\' => {
                self.state = State::Escape { name };
                Ok(())
            }
            0..=0x1f => Err(self.syntax("control character in a string")),
            _ => {
                self.keep(byte);
                Ok(())
            }
        }
    }

    fn escape(&mut self, byte: u8, name: bool) -> Result<(), ShapeError> {
        self.state = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                // none of these is in a name that is compared
                self.keep(b'\\');
                State::Text { name }
            }
            b'u' => {
                self.unit = 0;
                State::Unicode { name, left: 4 }
            }
            _ => return Err(self.syntax("malformed escape in a string")),
        };
        Ok(())
    }

    fn unicode(&mut self, byte: u8, name: bool, left: u8) -> Result<(), ShapeError> {
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Err(self.syntax("malformed escape in a string"));
        };
        self.unit = self.unit << 4 | digit;
        if left > 1 {
            self.state = State::Unicode { name, left: left - 1 };
            return Ok(());
        }
        let (high, unit) = (self.unit >> 16, self.unit & 0xffff);
        let low = (0xdc00..0xe000).contains(&unit);
        match (high, unit) {
            (0, 0xd800..0xdc00) => {
                self.state = State::Low { name, step: 0 };
                return Ok(());
            }
            (0, _) if low => return Err(self.syntax("half a surrogate pair in a string")),
            (0, _) => match u8::try_from(unit).ok().filter(u8::is_ascii) {
                // an escaped letter is the letter
                Some(ascii) => self.keep(ascii),
                None => self.keep(b'\\'),
            },
            _ if low => self.keep(b'\\'),
            _ => return Err(self.syntax("half a surrogate pair in a string")),
        }
        self.state = State::Text { name };
        Ok(())
    }

    /// `\u` of the low half.
    fn low(&mut self, byte: u8, name: bool, step: u8) -> Result<(), ShapeError> {
        self.state = match (step, byte) {
            (0, b'\\') => State::Low { name, step: 1 },
            (1, b'u') => State::Unicode { name, left: 4 },
            _ => return Err(self.syntax("half a surrogate pair in a string")),
        };
        Ok(())
    }

    fn word(&mut self, byte: u8, rest: &'static [u8]) -> Result<(), ShapeError> {
        match rest.split_first() {
            Some((expected, rest)) if *expected == byte => {
                if rest.is_empty() {
                    self.value_done()
                } else {
                    self.state = State::Word(rest)
                }
                Ok(())
            }
            _ => Err(self.syntax("malformed JSON")),
        }
    }

    fn text_done(&mut self, name: bool) -> Result<(), ShapeError> {
        let text = self.text.take();
        if name {
            self.place = self.named(text.as_deref())?;
            self.state = State::Colon;
            return Ok(());
        }
        if self.place == Place::Type {
            if text.as_deref() == Some(b"") {
                let element = self.type_element();
                self.fault(ShapeError { element, reason: "is empty" })?;
            }
            if self.stack.len() == 1 {
                self.bundle = text.as_deref() == Some(b"Bundle");
                if let Some(error) = self.pending.take().filter(|_| self.bundle) {
                    return Err(error);
                }
            }
        }
        self.value_done();
        Ok(())
    }

    /// Where the value of a member stands. A member that counts may be there once.
    fn named(&mut self, name: Option<&[u8]>) -> Result<Place, ShapeError> {
        let bundle = self.stack.len() == 1 && self.may_be_bundle();
        let Some(frame) = self.stack.last_mut() else { return Ok(Place::Other) };
        let (place, seen) = match (frame.place, name) {
            (Place::Root | Place::Resource, Some(b"resourceType")) => (Place::Type, &mut frame.typed),
            (Place::Root, Some(b"entry")) if bundle => (Place::Entries, &mut frame.holds),
            (Place::Entry, Some(b"resource")) => (Place::Resource, &mut frame.holds),
            _ => return Ok(Place::Other),
        };
        let twice = std::mem::replace(seen, true);
        if twice { Err(self.syntax("a member stands twice")) } else { Ok(place) }
    }
}

/// Well-formed UTF-8, byte by byte (RFC 3629, section 4).
#[derive(Debug, Default)]
struct Utf8 {
    /// Continuation bytes to come.
    left: u8,
    /// Range of the next one.
    range: (u8, u8),
}

impl Utf8 {
    fn push(&mut self, byte: u8) -> bool {
        if self.left > 0 {
            let fits = (self.range.0..=self.range.1).contains(&byte);
            self.left -= 1;
            self.range = (0x80, 0xbf);
            return fits;
        }
        (self.left, self.range) = match byte {
            0..=0x7f => (0, (0, 0)),
            0xc2..=0xdf => (1, (0x80, 0xbf)),
            0xe0 => (2, (0xa0, 0xbf)),
            0xed => (2, (0x80, 0x9f)),
            0xe1..=0xef => (2, (0x80, 0xbf)),
            0xf0 => (3, (0x90, 0xbf)),
            0xf1..=0xf3 => (3, (0x80, 0xbf)),
            0xf4 => (3, (0x80, 0x8f)),
            _ => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(json: &[u8]) -> Result<(), ShapeError> {
        let mut whole = ShapeCheck::default();
        let result = whole.push(json).and_then(|()| whole.finish());
        let mut bytewise = ShapeCheck::default();
        let again = json.iter().try_for_each(|byte| bytewise.push(&[*byte])).and_then(|()| bytewise.finish());
        assert_eq!(result, again, "pieces make no difference");
        result
    }

    fn element(json: &str) -> String {
        check(json.as_bytes()).unwrap_err().element
    }

    #[test]
    fn resources_and_bundles_pass() {
        for json in [
            r#"{"resourceType":"Patient"}"#,
            r#" { "id" : "a" , "resourceType" : "Observation", "valueQuantity": {"value": -1.5e+3} } "#,
            r#"{"resourceType":"Bundle"}"#,
            r#"{"resourceType":"Bundle","entry":[]}"#,
            r#"{"resourceType":"Bundle","entry":[{"fullUrl":"u","resource":{"resourceType":"Patient"}}]}"#,
            r#"{"entry":[{"resource":{"a":[[],{}],"resourceType":"Patient"}}],"resourceType":"Bundle"}"#,
            // another resource may have an entry of its own kind
            r#"{"resourceType":"List","entry":[{"item":{}}]}"#,
            r#"{"entry":[{"item":{}}, 7, {"resource":[]}],"resourceType":"List"}"#,
            r#"{"entry":{},"resourceType":"X"}"#,
            // an escaped name is the name
            r#"{"resource\u0054ype":"Patient","x":"\ud83d\ude00\n\u00e9"}"#,
        ] {
            assert_eq!(check(json.as_bytes()), Ok(()), "{json}");
        }
    }

    #[test]
    fn a_fault_names_its_element() {
        assert_eq!(element("[]"), "resource");
        assert_eq!(element("7"), "resource");
        assert_eq!(element("{}"), "resourceType");
        assert_eq!(element(r#"{"resourceType":7}"#), "resourceType");
        assert_eq!(element(r#"{"resourceType":""}"#), "resourceType");
        assert_eq!(element(r#"{"resourceType":"Bundle","entry":{}}"#), "entry");
        assert_eq!(element(r#"{"resourceType":"Bundle","entry":[7]}"#), "entry[0]");
        assert_eq!(element(r#"{"resourceType":"Bundle","entry":[{}]}"#), "entry[0].resource");
        let second =
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"A"}},{"resource":[]}]}"#;
        assert_eq!(element(second), "entry[1].resource");
        let untyped = r#"{"resourceType":"Bundle","entry":[{"resource":{"x":1}}]}"#;
        assert_eq!(element(untyped), "entry[0].resource.resourceType");
        let number = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":1}}]}"#;
        assert_eq!(element(number), "entry[0].resource.resourceType");
        assert_eq!(element(r#"{"entry":[{}],"resourceType":"Bundle"}"#), "entry[0].resource");
        assert_eq!(element(r#"{"resourceType":"A","resourceType":"B"}"#), "byte 33");
    }

    #[test]
    fn what_is_not_json_is_refused_at_its_byte() {
        let inside = |value: &str| format!("{{\"resourceType\":\"P\",\"x\":{value}}}");
        for value in [
            "01",
            "-",
            "1.",
            "1e",
            "+1",
            ".5",
            "tru",
            "nul",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":1,}",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\u{1}\"",
            "]",
            "'a'",
            "{1:2}",
        ] {
            let json = inside(value);
            assert!(check(json.as_bytes()).is_err(), "{json}");
            assert!(serde_json::from_str::<serde_json::Value>(&json).is_err(), "{json}");
        }
        for cut in 0..inside("1").len() {
            assert!(check(&inside("1").as_bytes()[..cut]).is_err());
        }
        assert!(check(&[inside("1").as_bytes(), b"{}"].concat()).is_err());
        assert!(check(b"{\"resourceType\":\"\xff\"}").is_err());
        assert!(check(b"{\"resourceType\":\"\xc0\x80\"}").is_err());
    }

    #[test]
    fn the_deepest_nesting_and_one_deeper() {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            format!("{{\"resourceType\":\"P\",\"x\":{open}{close}}}")
        };
        assert_eq!(check(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert!(check(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_json_value_is_json_inside_a_resource(value in value(), pretty in any::<bool>()) {
            let resource = serde_json::json!({"resourceType": "P", "x": value});
            let text = if pretty { serde_json::to_vec_pretty(&resource) } else { serde_json::to_vec(&resource) };
            prop_assert_eq!(check(&text.unwrap()), Ok(()));
        }

        #[test]
        fn agrees_with_a_parser_on_damaged_json(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = serde_json::to_vec(&serde_json::json!({"resourceType": "P", "x": value})).unwrap();
            // only inside the value of x: the rest is ours
            let start = 4 + text.windows(5).position(|w| w == b"\"x\":[" || &w[..4] == b"\"x\":").unwrap_or(0);
            let at = start + at.index(text.len() - start);
            text[at] = byte;
            let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&text);
            let is_resource = match parsed {
                Ok(json) => json["resourceType"] == "P",
                // JSON allows any exponent, this parser only what fits into its numbers
                Err(error) => error.to_string().starts_with("number out of range"),
            };
            if check(&text).is_ok() {
                prop_assert!(is_resource, "{}", String::from_utf8_lossy(&text));
            }
        }
    }
}
