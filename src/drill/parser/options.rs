//! Options of TCP.

use super::{Parser, SyntaxError, Token};
use crate::drill::ast::{Direction, Number, TcpOption, TcpOptions};

/// The kind that experiments share (RFC 6994).
const EXPERIMENT: u8 = 254;
/// Identifiers of experiments: accurate ECN with either order, and TARR.
const EXID_ACCECN_0: u16 = 0xacc0;
const EXID_ACCECN_1: u16 = 0xacc1;
const EXID_TARR: u16 = 0x00ac;

impl Parser {
    /// `<mss 1460,sackOK>`, or `<...>`.
    pub(super) fn tcp_options(&mut self, direction: Direction) -> Result<TcpOptions, SyntaxError> {
        self.expect_char('<')?;
        if *self.peek() == Token::Ellipsis {
            self.only_outbound(direction, true, "options")?;
            self.take();
            self.expect_char('>')?;
            return Ok(TcpOptions::Any);
        }
        let mut options = Vec::new();
        if self.take_char('>') {
            return Ok(TcpOptions::These(options));
        }
        loop {
            options.push(self.tcp_option(direction)?);
            if self.take_char('>') {
                return Ok(TcpOptions::These(options));
            }
            if !self.take_char(',') {
                return Err(self.error("`,` or `>`"));
            }
        }
    }

    fn tcp_option(&mut self, direction: Direction) -> Result<TcpOption, SyntaxError> {
        const EXPECTED: &str = "nop, eol, mss, wscale, sackOK, sack, TS, FO, FOEXP, exp-FO, md5, ECN, AccECN0, \
             AccECN1, exp-AccECN0, exp-AccECN1, exp-tarr or kind";
        let error = self.error(EXPECTED);
        let Token::Word(name) = self.peek().clone() else { return Err(error) };
        let name = match (name.as_str(), self.peek_at(1), self.peek_at(2)) {
            ("exp", Token::Char('-'), Token::Word(behind)) => {
                let name = format!("exp-{behind}");
                self.take();
                self.take();
                name
            }
            _ => name,
        };
        self.take();
        Ok(match name.as_str() {
            "nop" => TcpOption::Nop,
            "eol" => TcpOption::Eol,
            "mss" => TcpOption::Mss(self.open_number(direction, "a segment size")?),
            "wscale" => TcpOption::WindowScale(self.open_number(direction, "a shift count")?),
            "sackOK" => TcpOption::SackPermitted,
            "sack" => self.sack(direction)?,
            "TS" => self.timestamps(direction)?,
            "FO" => TcpOption::FastOpen(self.cookie(direction)?),
            "FOEXP" | "exp-FO" => TcpOption::FastOpenExperimental(self.cookie(direction)?),
            "md5" => TcpOption::Md5(self.hex("a signature in hexadecimal digits")?),
            "ECN" | "AccECN0" | "AccECN1" => self.accurate_ecn(&name)?,
            "exp-AccECN0" | "exp-accecn0" => self.experimental_ecn(EXID_ACCECN_0)?,
            "exp-AccECN1" | "exp-accecn1" => self.experimental_ecn(EXID_ACCECN_1)?,
            "exp-tarr" | "exp-TARR" => {
                let mut data = EXID_TARR.to_be_bytes().to_vec();
                if let Token::Integer(_) = self.peek() {
                    let rate: u16 = self.expect_number("a rate")?;
                    data.extend_from_slice(&(rate << 5).to_be_bytes());
                }
                TcpOption::Other { kind: EXPERIMENT, data }
            }
            "kind" => {
                let kind = self.expect_number("the option's kind")?;
                let is_empty = matches!(self.peek(), Token::Char(',' | '>'));
                let data = if is_empty { Vec::new() } else { self.hex("hexadecimal digits")? };
                TcpOption::Other { kind, data }
            }
            _ => return Err(error),
        })
    }

    fn open_number<T: TryFrom<i128>>(
        &mut self,
        direction: Direction,
        what: &str,
    ) -> Result<Number<T>, SyntaxError> {
        if *self.peek() == Token::Ellipsis {
            self.only_outbound(direction, true, what)?;
            self.take();
            return Ok(Number::Any);
        }
        let value = self.expect_number(what)?;
        Ok(if self.take_char('!') { Number::Absolute(value) } else { Number::Exactly(value) })
    }

    fn sack(&mut self, direction: Direction) -> Result<TcpOption, SyntaxError> {
        if *self.peek() == Token::Ellipsis {
            self.only_outbound(direction, true, "blocks")?;
            self.take();
            return Ok(TcpOption::Sack(Number::Any));
        }
        let mut blocks = Vec::new();
        loop {
            let left = self.expect_number("the left edge of a block")?;
            self.expect_char(':')?;
            blocks.push((left, self.expect_number("the right edge of a block")?));
            if !matches!(self.peek(), Token::Integer(_)) {
                return Ok(TcpOption::Sack(Number::Exactly(blocks)));
            }
        }
    }

    fn timestamps(&mut self, direction: Direction) -> Result<TcpOption, SyntaxError> {
        let (mut value, mut echo) = (None, None);
        while value.is_none() || echo.is_none() {
            if value.is_none() && self.take_word("val") {
                value = Some(self.open_number(direction, "a timestamp")?);
            } else if echo.is_none() && self.take_word("ecr") {
                echo = Some(self.open_number(direction, "a timestamp")?);
            } else {
                return Err(self.error(if value.is_none() { "`val`" } else { "`ecr`" }));
            }
        }
        let (value, echo) = (value.unwrap_or(Number::Any), echo.unwrap_or(Number::Any));
        Ok(TcpOption::Timestamps { value, echo })
    }

    fn cookie(&mut self, direction: Direction) -> Result<Number<Vec<u8>>, SyntaxError> {
        match self.peek() {
            Token::Char(',' | '>') => Ok(Number::Exactly(Vec::new())),
            Token::Ellipsis => {
                self.only_outbound(direction, true, "a cookie")?;
                self.take();
                Ok(Number::Any)
            }
            _ => Ok(Number::Exactly(self.hex("a cookie in hexadecimal digits")?)),
        }
    }

    /// Octets, two digits each.
    fn hex(&mut self, expected: &str) -> Result<Vec<u8>, SyntaxError> {
        let error = self.error(expected);
        let (Token::Word(_) | Token::Integer(_) | Token::Hex(_)) = self.peek() else {
            return Err(error);
        };
        let text = self.tokens[self.next].text.clone();
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let digits: Option<Vec<u8>> =
            digits.chars().map(|char| char.to_digit(16).map(|digit| digit as u8)).collect();
        match digits.as_deref().map(<[u8]>::as_chunks) {
            Some((pairs, [])) => {
                self.take();
                Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
            }
            _ => Err(error),
        }
    }

    fn accurate_ecn(&mut self, name: &str) -> Result<TcpOption, SyntaxError> {
        let fields = self.counters()?;
        let order = fields.first().map(|(field, _)| *field);
        let kind = match (name, order) {
            ("AccECN0", _) | ("ECN", Some(Counter::Ect0)) => 172,
            _ => 174,
        };
        self.check_order(if kind == 172 { EXID_ACCECN_0 } else { EXID_ACCECN_1 }, &fields)?;
        Ok(TcpOption::AccEcn {
            kind,
            counters: fields.into_iter().map(|(_, value)| value).collect(),
        })
    }

    fn experimental_ecn(&mut self, experiment: u16) -> Result<TcpOption, SyntaxError> {
        let fields = self.counters()?;
        self.check_order(experiment, &fields)?;
        let mut data = experiment.to_be_bytes().to_vec();
        for (_, value) in fields {
            data.extend_from_slice(&value.to_be_bytes()[1..]);
        }
        Ok(TcpOption::Other { kind: EXPERIMENT, data })
    }

    /// `ee0b 1 eceb 0 ee1b 1`, or without the first letter, as far as they go.
    fn counters(&mut self) -> Result<Vec<(Counter, u32)>, SyntaxError> {
        let mut fields = Vec::new();
        while let Token::Word(word) = self.peek() {
            let counter = match word.as_str() {
                "ee0b" | "e0b" => Counter::Ect0,
                "eceb" | "ceb" => Counter::Ce,
                "ee1b" | "e1b" => Counter::Ect1,
                _ => return Err(self.error("ee0b, eceb or ee1b")),
            };
            self.take();
            let value: u32 = self.expect_number("a counter")?;
            if value > 0xff_ffff {
                return Err(self.error("a counter of 24 bits before this"));
            }
            fields.push((counter, value));
        }
        Ok(fields)
    }

    /// An error unless the counters stand as they do on the wire.
    fn check_order(&self, experiment: u16, fields: &[(Counter, u32)]) -> Result<(), SyntaxError> {
        let order = match experiment {
            EXID_ACCECN_0 => [Counter::Ect0, Counter::Ce, Counter::Ect1],
            _ => [Counter::Ect1, Counter::Ce, Counter::Ect0],
        };
        let found = fields.iter().map(|(counter, _)| counter);
        if fields.len() > order.len() || !found.zip(&order).all(|(found, wanted)| found == wanted) {
            return Err(self.error("the counters before this in the order of the wire"));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Counter {
    Ect0,
    Ce,
    Ect1,
}
