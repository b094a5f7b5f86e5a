//! From text to tokens, each with its place.
//!
//! Of several tokens that could begin at a place the longest is taken, as the language wants it: `0...0.1`
//! is a number, an ellipsis and a number, and `S.5` a word and a number.

mod preprocess;

use std::net::IpAddr;

use super::ast::Position;
use super::error::SyntaxError;

pub(super) use preprocess::preprocess;

/// What stands somewhere.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `--name`, or `--name=value`: everything up to the next blank.
    Option(String, Option<String>),
    /// Letters, digits and underscores that are not a number.
    Word(String),
    /// `12`, `-1`.
    Integer(i128),
    /// `0x1f`.
    Hex(i128),
    /// `0.5`, `.5`, with the text as it stands: `.5` may be flags.
    Float(String),
    /// `"…"`, its escapes resolved.
    Text(Vec<u8>),
    /// Between backticks.
    Command(String),
    /// Between `%{` and `}%`, with the place where it begins behind blanks.
    Code(String, Position),
    /// `192.0.2.1`, `2001:db8::1`.
    Address(IpAddr),
    /// `...`
    Ellipsis,
    /// Any other character.
    Char(char),
    /// Nothing more.
    End,
}

impl Token {
    /// How an error names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Option(name, _) => format!("`--{name}`"),
            Self::Word(word) => format!("`{word}`"),
            Self::Integer(value) => format!("`{value}`"),
            Self::Hex(value) => format!("`{value:#x}`"),
            Self::Float(text) => format!("`{text}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Command(_) => "a command in backticks".to_owned(),
            Self::Code(..) => "a piece of code".to_owned(),
            Self::Address(address) => format!("`{address}`"),
            Self::Ellipsis => "`...`".to_owned(),
            Self::Char(char) => format!("`{char}`"),
            Self::End => "the end of the script".to_owned(),
        }
    }
}

/// A token, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) at: Position,
    pub(super) token: Token,
    /// The text it was made of. A cookie may look like a number, and needs its zeros.
    pub(super) text: String,
}

/// The tokens of a text, the last being [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Located>, SyntaxError> {
    let mut lexer = Lexer { rest: text, at: Position { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let at = lexer.at;
        let before = lexer.rest;
        let token = lexer.token()?;
        let text = before[..before.len() - lexer.rest.len()].to_owned();
        let is_end = token == Token::End;
        tokens.push(Located { at, token, text });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Lexer<'a> {
    /// Takes `len` octets, and counts lines and columns.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        for char in taken.chars() {
            if char == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|char| !wanted(char)).unwrap_or(self.rest.len()))
    }

    /// Blanks, comments, and backslashes at the end of a line.
    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            let before = self.rest.len();
            self.take_while(char::is_whitespace);
            if self.rest.starts_with("//") {
                self.take_while(|char| char != '\n');
            } else if self.rest.starts_with("/*") {
                let end = self.rest[2..].find("*/").ok_or_else(|| {
                    SyntaxError::new(self.at, "`*/` at the end of the comment", "nothing")
                })?;
                self.take(2 + end + 2);
            } else if self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r\n") {
                self.take(1);
            }
            if self.rest.len() == before {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        if self.rest.starts_with("...") {
            self.take(3);
            return Ok(Token::Ellipsis);
        }
        if self.rest.starts_with("%{") {
            return self.code();
        }
        if self.rest.starts_with("--") && self.rest[2..].starts_with(is_word) {
            return self.option();
        }
        match first {
            '"' => Ok(Token::Text(unescape(self.quoted('"')?))),
            '`' => Ok(Token::Command(self.quoted('`')?.replace("\\`", "`"))),
            _ => self.longest(first),
        }
    }

    /// The longest of address, number and word, or a character.
    fn longest(&mut self, first: char) -> Result<Token, SyntaxError> {
        let (address_len, address) = address(self.rest).unwrap_or_default();
        let number_len = number(self.rest);
        let word_len = self.rest.find(|char| !is_word(char)).unwrap_or(self.rest.len());
        if let Some(address) = address
            && address_len > number_len.max(word_len)
        {
            self.take(address_len);
            return Ok(Token::Address(address));
        }
        let at = self.at;
        if number_len >= word_len && number_len > 0 {
            let text = self.take(number_len);
            if text.contains('.') {
                return Ok(Token::Float(text.to_owned()));
            }
            let too_large = |_| SyntaxError::new(at, "a smaller number", format!("`{text}`"));
            return text.parse().map(Token::Integer).map_err(too_large);
        }
        if word_len > 0 {
            let word = self.take(word_len);
            return match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
                Some(digits) => i128::from_str_radix(digits, 16)
                    .map(Token::Hex)
                    .map_err(|_| SyntaxError::new(at, "a hexadecimal number", format!("`{word}`"))),
                None => Ok(Token::Word(word.to_owned())),
            };
        }
        self.take(first.len_utf8());
        Ok(Token::Char(first))
    }

    fn code(&mut self) -> Result<Token, SyntaxError> {
        let opened = self.at;
        self.take(2);
        let len = self.rest.find("}%").ok_or_else(|| {
            SyntaxError::new(opened, "`}%` at the end of the code", "the end of the script")
        })?;
        let text = &self.rest[..len];
        self.take(len - text.trim_start().len());
        let begins = self.at;
        self.take(text.trim_start().len());
        self.take(2);
        Ok(Token::Code(text.trim().to_owned(), begins))
    }

    fn option(&mut self) -> Result<Token, SyntaxError> {
        self.take(2);
        let name = self.take_while(|char| is_word(char) || char == '-').to_owned();
        if !self.rest.starts_with('=') {
            return Ok(Token::Option(name, None));
        }
        self.take(1);
        let mut value = String::new();
        while let Some(char) = self.rest.chars().next() {
            if char == '"' || char == '`' {
                let inner = self.quoted(char)?;
                // Definitions need to know what kind of value they have.
                let is_definition = value.ends_with('=');
                let quote = if is_definition { char.to_string() } else { String::new() };
                value.push_str(&format!("{quote}{inner}{quote}"));
            } else if char.is_whitespace() || self.rest.starts_with("//") {
                break;
            } else {
                value.push_str(self.take(char.len_utf8()));
            }
        }
        Ok(Token::Option(name, Some(value)))
    }

    /// What stands between two quotes, a backslash in it keeping the next character from ending it.
    fn quoted(&mut self, quote: char) -> Result<&'a str, SyntaxError> {
        let opened = self.at;
        self.take(1);
        let mut is_escaped = false;
        for (place, char) in self.rest.char_indices() {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                char if char == quote => {
                    let inner = self.take(place);
                    self.take(1);
                    return Ok(inner);
                }
                _ => {}
            }
        }
        Err(SyntaxError::new(opened, format!("a closing {quote}"), "the end of the script"))
    }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// How long the number at the beginning of `text` is: `-1`, `12`, `0.5`, `.5`. 0 if there is none.
fn number(text: &str) -> usize {
    let digits = |text: &str| text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let sign = usize::from(text.starts_with('-'));
    let whole = digits(&text[sign..]);
    let behind = &text[sign + whole..];
    let fraction = behind.strip_prefix('.').map_or(0, digits);
    match (whole, fraction) {
        (0, 0) => 0,
        (_, 0) => sign + whole,
        _ => sign + whole + 1 + fraction,
    }
}

/// An address at the beginning of `text`, and how long it is.
///
/// `1:1001` is no address of IPv6, but sequence numbers: there must be two colons together, or eight groups.
fn address(text: &str) -> Option<(usize, Option<IpAddr>)> {
    let is_part = |char: char| char.is_ascii_hexdigit() || char == ':' || char == '.';
    let len = text.find(|char| !is_part(char)).unwrap_or(text.len());
    // A colon may follow the address: `ipv6 ::1 > ::2:`.
    let candidates = [len, text[..len].trim_end_matches([':', '.']).len()];
    candidates.into_iter().find_map(|len| {
        let address = text[..len].parse::<IpAddr>().ok()?;
        Some((len, Some(address)))
    })
}

/// Resolves what a backslash begins, as C does.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            octets.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('n') => octets.push(b'\n'),
            Some('r') => octets.push(b'\r'),
            Some('t') => octets.push(b'\t'),
            Some('x') => {
                let mut value = 0;
                for _ in 0..2 {
                    if let Some(digit) = chars.peek().and_then(|char| char.to_digit(16)) {
                        value = value * 16 + digit;
                        chars.next();
                    }
                }
                octets.push(value as u8);
            }
            Some(digit @ '0'..='7') => {
                let mut value = digit.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    if let Some(digit) = chars.peek().and_then(|char| char.to_digit(8)) {
                        value = value * 8 + digit;
                        chars.next();
                    }
                }
                octets.push(value as u8);
            }
            Some(other) => octets.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            None => octets.push(b'\\'),
        }
    }
    octets
}

#[cfg(test)]
mod tests;
