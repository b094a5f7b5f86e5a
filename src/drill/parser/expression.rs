//! Arguments and results.

use std::net::IpAddr;

use super::{Parser, SyntaxError, Token};
use crate::drill::ast::{Expression, Iovec};

/// How deep brackets may be nested, so that no script can exhaust the stack.
const MAX_DEPTH: usize = 32;

impl Parser {
    /// Expressions up to and including `close`, which may follow at once.
    pub(super) fn expressions(&mut self, close: char) -> Result<Vec<Expression>, SyntaxError> {
        self.nested_expressions(close, 0)
    }

    pub(super) fn expression(&mut self) -> Result<Expression, SyntaxError> {
        self.nested_expression(0)
    }

    fn nested_expressions(
        &mut self,
        close: char,
        depth: usize,
    ) -> Result<Vec<Expression>, SyntaxError> {
        let mut expressions = Vec::new();
        if self.take_char(close) {
            return Ok(expressions);
        }
        loop {
            expressions.push(self.nested_expression(depth)?);
            if self.take_char(close) {
                return Ok(expressions);
            }
            if !self.take_char(',') {
                return Err(self.error(format!("`,` or `{close}`")));
            }
        }
    }

    fn nested_expression(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        let mut left = self.operand(depth)?;
        while self.take_char('|') {
            let right = self.operand(depth)?;
            left = Expression::Or(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        if depth >= MAX_DEPTH {
            return Err(self.error("fewer brackets within one another"));
        }
        let expected = "a value";
        match self.peek().clone() {
            Token::Ellipsis => {
                self.take();
                Ok(Expression::Ellipsis)
            }
            // Sizes and masks of 64 bits are written as unsigned numbers.
            Token::Integer(value) | Token::Hex(value) => {
                let value = i64::try_from(value)
                    .ok()
                    .or_else(|| u64::try_from(value).ok().map(u64::cast_signed))
                    .ok_or_else(|| self.error("a number of 64 bits"))?;
                self.take();
                Ok(Expression::Integer(value))
            }
            Token::Float(text) => {
                let value = text.parse().map_err(|_| self.error(expected))?;
                self.take();
                Ok(Expression::Float(value))
            }
            Token::Text(_) => Ok(self.text()),
            Token::Address(address) => {
                self.take();
                Ok(Expression::Address(address))
            }
            Token::Char('[') => {
                self.take();
                Ok(Expression::List(self.nested_expressions(']', depth + 1)?))
            }
            Token::Char('{') => {
                self.take();
                self.braces(depth + 1)
            }
            Token::Word(word) => {
                self.take();
                self.word(word, depth + 1)
            }
            _ => Err(self.error(expected)),
        }
    }

    /// Strings that follow one another, and perhaps an ellipsis.
    fn text(&mut self) -> Expression {
        let mut octets = Vec::new();
        while let Token::Text(more) = self.peek() {
            octets.extend_from_slice(more);
            self.take();
        }
        if *self.peek() == Token::Ellipsis {
            self.take();
            return Expression::BytesPrefix(octets);
        }
        Expression::Bytes(octets)
    }

    fn word(&mut self, word: String, depth: usize) -> Result<Expression, SyntaxError> {
        if word == "NULL" {
            return Ok(Expression::Null);
        }
        if self.take_char('=') {
            let value = self.nested_expression(depth)?;
            return Ok(Expression::Assign(word, Box::new(value)));
        }
        if !self.is_char('(') {
            return Ok(Expression::Symbol(word));
        }
        let at = self.at();
        self.take();
        let arguments = self.nested_expressions(')', depth)?;
        let wrong = |expected: &str| SyntaxError::new(at, expected, format!("`{word}` of that"));
        match (word.as_str(), arguments.as_slice()) {
            ("htons", [argument]) => argument
                .as_integer()
                .and_then(|port| u16::try_from(port).ok())
                .map(Expression::Port)
                .ok_or_else(|| wrong("a port of 16 bits")),
            ("htonl", [Expression::Integer(number)]) => Ok(Expression::Integer(*number)),
            ("inet_addr" | "inet6_addr", [Expression::Bytes(text)]) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .map(Expression::Address)
                .ok_or_else(|| wrong("an address in quotes")),
            ("htons" | "htonl" | "inet_addr" | "inet6_addr", _) => Err(wrong("one argument")),
            _ => Ok(Expression::Call(word, arguments)),
        }
    }

    /// What stands between braces: fields with names, a buffer, or values.
    fn braces(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        if let (Token::Word(_), Token::Char('=' | '(')) = (self.peek(), self.peek_at(1)) {
            return self.fields(depth);
        }
        let mut items = self.nested_expressions('}', depth)?;
        let is_buffer = matches!(
            items.as_slice(),
            [
                Expression::Ellipsis | Expression::Bytes(_) | Expression::BytesPrefix(_),
                Expression::Integer(_) | Expression::Symbol(_)
            ]
        );
        if is_buffer && let (Some(len), Some(base)) = (items.pop(), items.pop()) {
            return Ok(Expression::Iovec(Iovec { base: Box::new(base), len: Box::new(len) }));
        }
        Ok(Expression::Tuple(items))
    }

    fn fields(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        let mut fields = Vec::new();
        loop {
            let name = self.expect_word("the name of a field")?;
            if self.take_char('(') {
                // How long a field is follows from its value.
                self.nested_expressions(')', depth)?;
            }
            self.expect_char('=')?;
            fields.push((name, self.field_value(depth)?));
            if self.take_char('}') {
                break;
            }
            if !self.take_char(',') {
                return Err(self.error("`,` or `}`"));
            }
        }
        if let [(base, _), (len, _)] = fields.as_slice()
            && base == "iov_base"
            && len == "iov_len"
            && let (Some((_, len)), Some((_, base))) = (fields.pop(), fields.pop())
        {
            return Ok(Expression::Iovec(Iovec { base: Box::new(base), len: Box::new(len) }));
        }
        Ok(Expression::Struct(fields))
    }

    /// A value, or a key in hexadecimal digits, which may look like a number.
    fn field_value(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        if let Token::Integer(value) = *self.peek()
            && u64::try_from(value).is_err()
            && value > 0
        {
            let digits = self.tokens[self.next].text.clone();
            self.take();
            return Ok(Expression::Symbol(digits));
        }
        self.nested_expression(depth)
    }
}
