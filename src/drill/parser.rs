//! From tokens to a script.
//!
//! Both public dialects are read, and nothing is skipped: what is not part of either is an error that tells
//! where it stands and what could have stood there.

mod expression;
mod options;
mod packet;

use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use self::packet::named_dscp;
use super::ast::{
    Action, Code, Command, Direction, Event, Position, Script, ScriptOption, Syscall, When,
};
use super::error::SyntaxError;
use super::lexer::{Located, Token, preprocess, tokens};

/// What a script may refer to without saying what it is.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Names for `#ifdef`. By default `STANDARD`: FreeBSD's scripts say with it what a stack does that follows
    /// the RFCs where that kernel does not.
    pub defined: Vec<String>,
    /// Words that stand for others, as `--define=NAME=value` adds them.
    pub words: BTreeMap<String, String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self { defined: vec!["STANDARD".to_owned()], words: BTreeMap::new() }
    }
}

/// Reads a script.
pub fn parse(text: &str, environment: &Environment) -> Result<Script, SyntaxError> {
    let defined: Vec<_> = environment.defined.iter().map(String::as_str).collect();
    let text = preprocess(text, &defined)?;
    let mut parser = Parser { tokens: tokens(&text)?, next: 0 };
    let options = parser.script_options();
    parser.replace_words(&options, environment)?;
    parser.script(options)
}

struct Parser {
    /// Never empty: the last one is the end.
    tokens: Vec<Located>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    /// The token `ahead` places behind the next one.
    fn peek_at(&self, ahead: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.next + ahead).min(last)].token
    }

    fn at(&self) -> Position {
        self.tokens[self.next].at
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
        token
    }

    fn error(&self, expected: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at(), expected, self.peek().describe())
    }

    fn is_char(&self, char: char) -> bool {
        *self.peek() == Token::Char(char)
    }

    /// Takes `char` if it is next.
    fn take_char(&mut self, char: char) -> bool {
        let is_next = self.is_char(char);
        if is_next {
            self.take();
        }
        is_next
    }

    fn expect_char(&mut self, char: char) -> Result<(), SyntaxError> {
        if self.take_char(char) { Ok(()) } else { Err(self.error(format!("`{char}`"))) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(next) if next == word)
    }

    /// Takes `word` if it is next.
    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.is_word(word);
        if is_next {
            self.take();
        }
        is_next
    }

    fn expect_word(&mut self, what: &str) -> Result<String, SyntaxError> {
        match self.peek() {
            Token::Word(word) => {
                let word = word.clone();
                self.take();
                Ok(word)
            }
            _ => Err(self.error(what)),
        }
    }

    /// A number, decimal or hexadecimal, that `T` has.
    fn expect_number<T: TryFrom<i128>>(&mut self, what: &str) -> Result<T, SyntaxError> {
        let value = match *self.peek() {
            Token::Integer(value) | Token::Hex(value) => value,
            _ => return Err(self.error(what)),
        };
        let value = T::try_from(value)
            .map_err(|_| self.error(format!("{what} of {} bits", 8 * size_of::<T>())))?;
        self.take();
        Ok(value)
    }

    fn script_options(&mut self) -> Vec<ScriptOption> {
        let mut options = Vec::new();
        while let Token::Option(name, value) = self.peek() {
            options.push(ScriptOption { at: self.at(), name: name.clone(), value: value.clone() });
            self.take();
        }
        options
    }

    /// Puts what words are defined to mean in their place.
    fn replace_words(
        &mut self,
        options: &[ScriptOption],
        environment: &Environment,
    ) -> Result<(), SyntaxError> {
        let mut words = environment.words.clone();
        for option in options.iter().filter(|option| option.name == "define") {
            let definition = option.value.as_deref().unwrap_or_default();
            let (name, value) = definition.split_once('=').ok_or_else(|| {
                SyntaxError::new(option.at, "--define=NAME=value", format!("`{definition}`"))
            })?;
            words.insert(name.to_owned(), value.to_owned());
        }
        for located in &mut self.tokens {
            let Token::Word(word) = &located.token else { continue };
            let Some(value) = words.get(word) else { continue };
            let mut meant = tokens(value)?;
            if meant.len() != 2 {
                return Err(SyntaxError::new(
                    located.at,
                    format!("`{word}` to be defined as one word"),
                    format!("`{value}`"),
                ));
            }
            let Located { token, text, .. } = meant.swap_remove(0);
            *located = Located { at: located.at, token, text };
        }
        Ok(())
    }

    fn script(&mut self, options: Vec<ScriptOption>) -> Result<Script, SyntaxError> {
        let mut script = Script { options, ..Script::default() };
        script.init = self.command();
        while *self.peek() != Token::End {
            if let Token::Command(_) = self.peek() {
                script.cleanup = self.command();
                if *self.peek() != Token::End {
                    return Err(self.error("the end of the script behind a command without a time"));
                }
                break;
            }
            script.events.push(self.event()?);
        }
        Ok(script)
    }

    fn command(&mut self) -> Option<Command> {
        let Token::Command(text) = self.peek() else { return None };
        let command = Command { at: self.at(), text: text.clone() };
        self.take();
        Some(command)
    }

    fn event(&mut self) -> Result<Event, SyntaxError> {
        let at = self.at();
        let time = self.when()?;
        let action = match self.peek() {
            Token::Char('<' | '>') => Action::Packet(self.packet()?),
            Token::Command(text) => {
                let command = Command { at: self.at(), text: text.clone() };
                self.take();
                Action::Command(command)
            }
            Token::Code(text, at) => {
                let code = Code { at: *at, text: text.clone() };
                self.take();
                Action::Code(code)
            }
            Token::Word(_) | Token::Ellipsis => Action::Syscall(self.syscall()?),
            _ => return Err(self.error("a packet, a system call, a command or code")),
        };
        let is_open = !matches!(time, When::Absolute(_) | When::Relative(_));
        let is_outbound = matches!(
            &action,
            Action::Packet(packet) if packet.direction == Direction::Outbound
        );
        if is_open && !is_outbound {
            let found = "something else that happens at no certain time";
            return Err(SyntaxError::new(at, "an outbound packet", found));
        }
        Ok(Event { at, time, action })
    }

    fn when(&mut self) -> Result<When, SyntaxError> {
        let at = self.at();
        if self.take_char('*') {
            return Ok(When::Any);
        }
        let is_relative = self.take_char('+');
        let from = self.time()?;
        if !self.take_char('~') {
            let when = if is_relative { When::Relative } else { When::Absolute };
            return Ok(when(from));
        }
        if is_relative {
            self.expect_char('+')?;
        }
        let to = self.time()?;
        if to < from {
            return Err(SyntaxError::new(
                at,
                "a range that does not run backwards",
                "one that does",
            ));
        }
        let when = if is_relative { When::RelativeRange } else { When::AbsoluteRange };
        Ok(when(from, to))
    }

    /// A number of seconds.
    fn time(&mut self) -> Result<Duration, SyntaxError> {
        let seconds = match self.peek() {
            Token::Integer(seconds) => seconds.to_string(),
            Token::Float(text) => text.clone(),
            _ => return Err(self.error("a time in seconds, `+` or `*`")),
        };
        let time = seconds_to_duration(&seconds).ok_or_else(|| self.error("a time that can be"))?;
        self.take();
        Ok(time)
    }

    fn syscall(&mut self) -> Result<Syscall, SyntaxError> {
        let end = match self.peek() {
            Token::Ellipsis => {
                self.take();
                Some(self.time()?)
            }
            _ => None,
        };
        let at = self.at();
        let name = self.expect_word("the name of a system call")?;
        self.expect_char('(')?;
        let arguments = self.expressions(')')?;
        self.expect_char('=')?;
        let result = self.expression()?;
        let errno = match self.peek() {
            Token::Word(_) => Some(self.expect_word("an errno")?),
            _ => None,
        };
        let note = if self.is_char('(') { Some(self.note()?) } else { None };
        Ok(Syscall { at, end, name, arguments, result, errno, note })
    }

    /// Words in parentheses.
    fn note(&mut self) -> Result<String, SyntaxError> {
        self.expect_char('(')?;
        let mut words: Vec<String> = Vec::new();
        while !self.take_char(')') {
            if *self.peek() == Token::End {
                return Err(self.error("`)` at the end of the note"));
            }
            words.push(self.tokens[self.next].text.clone());
            self.take();
        }
        Ok(words.join(" "))
    }
}

/// `1.5` as a duration, to the microsecond. Decimal places are counted, not computed with.
fn seconds_to_duration(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros: u64 = digits.parse().ok()?;
    Some(Duration::from_micros(whole.checked_mul(1_000_000)?.checked_add(micros)?))
}

#[cfg(test)]
mod tests;
