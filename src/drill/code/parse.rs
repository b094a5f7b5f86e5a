//! From text to statements.

use super::value::Value;
use crate::drill::ast::Position;
use crate::drill::error::SyntaxError;

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    /// `assert condition, message`, and its text up to the comma.
    Assert { condition: Term, message: Option<Term>, text: String },
    /// `name = value`.
    Assign(String, Term),
    /// `print(values)`, or `print values`.
    Print(Vec<Term>),
    /// An expression whose value nobody wants, or `pass`.
    Evaluate(Term),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Constant(Value),
    Name(String),
    Sequence(Vec<Term>),
    Unary(&'static str, Box<Term>),
    Binary(&'static str, Box<Term>, Box<Term>),
    /// `a < b <= c`: the first, and what each of the others is compared with.
    Compare(Box<Term>, Vec<(&'static str, Term)>),
    And(Box<Term>, Box<Term>),
    Or(Box<Term>, Box<Term>),
    /// `value if condition else other`.
    Choice {
        condition: Box<Term>,
        value: Box<Term>,
        other: Box<Term>,
    },
    Call(String, Vec<Term>),
}

/// How deep terms may be nested, so that no script can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Reads the statements of `text`, which begins at `at`.
pub(super) fn statements(text: &str, at: Position) -> Result<Vec<Statement>, SyntaxError> {
    let mut reader = Reader { text, place: 0, at, depth: 0, open: 0 };
    let mut statements = Vec::new();
    loop {
        reader.skip_separators();
        if reader.rest().is_empty() {
            return Ok(statements);
        }
        statements.push(reader.statement()?);
        reader.skip_blanks();
        if !reader.rest().is_empty() && !reader.rest().starts_with([';', '\n']) {
            return Err(reader.error("an operator, or the end of the statement"));
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    place: usize,
    at: Position,
    depth: usize,
    /// How many brackets are open: in them the end of a line is a blank.
    open: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    fn error(&self, expected: impl Into<String>) -> SyntaxError {
        let before = &self.text[..self.place];
        let lines = before.matches('\n').count() as u32;
        let column = match before.rfind('\n') {
            Some(newline) => before[newline + 1..].chars().count() as u32 + 1,
            None => self.at.column + before.chars().count() as u32,
        };
        let found = match self.rest().split_whitespace().next() {
            Some(word) => format!("`{word}`"),
            None => "the end of the code".to_owned(),
        };
        SyntaxError::new(Position { line: self.at.line + lines, column }, expected, found)
    }

    /// Blanks, comments, and ends of lines within brackets.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let is_blank = |char: char| char.is_whitespace() && (char != '\n' || self.open > 0);
            let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
            self.place += blanks;
            let rest = self.rest();
            if rest.starts_with('#') {
                self.place += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("\\\n") {
                self.place += 2;
            } else {
                return;
            }
        }
    }

    fn skip_separators(&mut self) {
        loop {
            self.skip_blanks();
            if !self.rest().starts_with([';', '\n']) {
                return;
            }
            self.place += 1;
        }
    }

    /// Takes `symbol` if it is next.
    fn take(&mut self, symbol: &str) -> bool {
        self.skip_blanks();
        let is_next = self.rest().starts_with(symbol);
        if is_next {
            self.place += symbol.len();
        }
        is_next
    }

    /// Takes the first of `symbols` that is next. Longer ones must come before their beginnings.
    fn take_any(&mut self, symbols: &[&'static str]) -> Option<&'static str> {
        symbols.iter().find(|symbol| self.take(symbol)).copied()
    }

    fn peek_word(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
        if rest.starts_with(|char: char| char.is_ascii_digit()) { "" } else { &rest[..end] }
    }

    /// Takes `word` if it is next, as a whole.
    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.peek_word() == word;
        if is_next {
            self.place += word.len();
        }
        is_next
    }

    fn statement(&mut self) -> Result<Statement, SyntaxError> {
        const COMPOUND: [&str; 10] =
            ["if", "for", "while", "def", "import", "from", "class", "try", "with", "return"];
        if COMPOUND.contains(&self.peek_word()) {
            return Err(self.error("an assertion, an assignment or print"));
        }
        if self.take_word("assert") {
            self.skip_blanks();
            let begins = self.place;
            let condition = self.term()?;
            let text = self.text[begins..self.place].trim().to_owned();
            let message = if self.take(",") { Some(self.term()?) } else { None };
            return Ok(Statement::Assert { condition, message, text });
        }
        if self.take_word("pass") {
            return Ok(Statement::Evaluate(Term::Constant(Value::None)));
        }
        if self.take_word("print") {
            let mut values = Vec::new();
            if !matches!(self.rest().trim_start().chars().next(), None | Some(';' | '\n')) {
                values.push(self.term()?);
                while self.take(",") {
                    values.push(self.term()?);
                }
            }
            return Ok(Statement::Print(values));
        }
        let name = self.peek_word();
        let before = self.place;
        if !name.is_empty() {
            self.place += name.len();
            if self.take("=") && !self.rest().starts_with('=') {
                return Ok(Statement::Assign(name.to_owned(), self.term()?));
            }
            self.place = before;
        }
        Ok(Statement::Evaluate(self.term()?))
    }

    fn term(&mut self) -> Result<Term, SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("a simpler expression"));
        }
        self.depth += 1;
        let value = self.or()?;
        let term = if self.take_word("if") {
            let condition = self.or()?;
            if !self.take_word("else") {
                return Err(self.error("`else`"));
            }
            let other = self.term()?;
            Term::Choice {
                condition: Box::new(condition),
                value: Box::new(value),
                other: Box::new(other),
            }
        } else {
            value
        };
        self.depth -= 1;
        Ok(term)
    }

    fn or(&mut self) -> Result<Term, SyntaxError> {
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Term::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Term, SyntaxError> {
        let mut left = self.not()?;
        while self.take_word("and") {
            left = Term::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Term, SyntaxError> {
        let mut count = 0;
        while self.take_word("not") {
            count += 1;
        }
        let mut term = self.comparison()?;
        // Two in a row make a value of truth of what need not be one.
        for _ in 0..count.min(2 + count % 2) {
            term = Term::Unary("not", Box::new(term));
        }
        Ok(term)
    }

    fn comparison(&mut self) -> Result<Term, SyntaxError> {
        let first = self.binary(0)?;
        let mut others = Vec::new();
        while let Some(operator) = self.comparison_operator() {
            others.push((operator, self.binary(0)?));
        }
        Ok(if others.is_empty() { first } else { Term::Compare(Box::new(first), others) })
    }

    fn comparison_operator(&mut self) -> Option<&'static str> {
        if let Some(operator) = self.take_any(&["==", "!=", "<=", ">=", "<>"]) {
            return Some(operator);
        }
        // Not the shifts `<<` and `>>`, which bind tighter and have been taken.
        if let Some(operator) = self.take_any(&["<", ">"]) {
            return Some(operator);
        }
        if self.take_word("in") {
            return Some("in");
        }
        if self.take_word("is") {
            return Some(if self.take_word("not") { "!=" } else { "==" });
        }
        let before = self.place;
        if self.take_word("not") {
            if self.take_word("in") {
                return Some("not in");
            }
            self.place = before;
        }
        None
    }

    /// Operators between values, by how tight they bind.
    fn binary(&mut self, level: usize) -> Result<Term, SyntaxError> {
        const LEVELS: [&[&str]; 6] =
            [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["//", "/", "*", "%"]];
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.take_any(operators) {
            let right = self.binary(level + 1)?;
            left = Term::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Term, SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("a simpler expression"));
        }
        if let Some(operator) = self.take_any(&["-", "+", "~"]) {
            self.depth += 1;
            let operand = self.unary()?;
            self.depth -= 1;
            return Ok(Term::Unary(operator, Box::new(operand)));
        }
        let base = self.atom()?;
        if self.take("**") {
            self.depth += 1;
            let exponent = self.unary()?;
            self.depth -= 1;
            return Ok(Term::Binary("**", Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    fn atom(&mut self) -> Result<Term, SyntaxError> {
        self.skip_blanks();
        match self.rest().chars().next() {
            Some('(') => self.brackets(")"),
            Some('[') => self.brackets("]"),
            Some('"' | '\'') => self.formatted(),
            Some('0'..='9' | '.') => self.number(),
            _ => self.name(),
        }
    }

    /// What is in brackets: a term, or several as a sequence.
    fn brackets(&mut self, close: &'static str) -> Result<Term, SyntaxError> {
        self.place += 1;
        self.open += 1;
        let mut items = Vec::new();
        let mut has_comma = close == "]";
        let result = loop {
            if self.take(close) {
                break Ok(());
            }
            items.push(self.term()?);
            if self.take(",") {
                has_comma = true;
            } else if self.take(close) {
                break Ok(());
            } else {
                break Err(self.error(format!("`,` or `{close}`")));
            }
        };
        self.open -= 1;
        result?;
        Ok(match items.pop() {
            Some(only) if items.is_empty() && !has_comma => only,
            last => Term::Sequence(items.into_iter().chain(last).collect()),
        })
    }

    /// Strings in either kind of quotes; those that follow one another are one.
    fn string(&mut self) -> Result<Term, SyntaxError> {
        let mut text = String::new();
        while let Some(quote @ ('"' | '\'')) = self.rest().chars().next() {
            let rest = &self.rest()[1..];
            let Some(end) = rest.find(quote) else { return Err(self.error("a closing quote")) };
            text.push_str(&rest[..end]);
            self.place += end + 2;
            self.skip_blanks();
        }
        Ok(Term::Constant(Value::Text(text)))
    }

    /// A text, perhaps with values that it shall be filled with, which are told behind it.
    fn formatted(&mut self) -> Result<Term, SyntaxError> {
        let text = self.string()?;
        if !self.rest().starts_with(".format(") {
            return Ok(text);
        }
        self.place += ".format".len();
        Ok(Term::Sequence(vec![text, self.brackets(")")?]))
    }

    fn number(&mut self) -> Result<Term, SyntaxError> {
        let rest = self.rest();
        let is_part = |char: char| char.is_ascii_alphanumeric() || char == '.' || char == '_';
        let mut end = rest.find(|char| !is_part(char)).unwrap_or(rest.len());
        let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
        if !is_hex && rest[..end].ends_with(['e', 'E']) && rest[end..].starts_with(['-', '+']) {
            let digits = &rest[end + 1..];
            end += 1 + digits.find(|char| !is_part(char)).unwrap_or(digits.len());
        }
        let digits = rest[..end].replace('_', "");
        let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => i128::from_str_radix(digits, 16).ok().map(Value::Integer),
            None => match digits.trim_end_matches(['L', 'l']).parse() {
                Ok(value) => Some(Value::Integer(value)),
                Err(_) => digits.parse().ok().map(Value::Float),
            },
        };
        let value = value.ok_or_else(|| self.error("a number"))?;
        self.place += end;
        Ok(Term::Constant(value))
    }

    fn name(&mut self) -> Result<Term, SyntaxError> {
        const RESERVED: [&str; 8] = ["and", "or", "in", "is", "if", "else", "assert", "lambda"];
        let name = self.peek_word();
        if name.is_empty() || RESERVED.contains(&name) {
            return Err(self.error("a value"));
        }
        self.place += name.len();
        match name {
            "True" | "true" => return Ok(Term::Constant(Value::Bool(true))),
            "False" | "false" => return Ok(Term::Constant(Value::Bool(false))),
            "None" => return Ok(Term::Constant(Value::None)),
            _ => {}
        }
        if !self.rest().trim_start_matches([' ', '\t']).starts_with('(') {
            return Ok(Term::Name(name.to_owned()));
        }
        self.skip_blanks();
        let arguments = match self.brackets(")")? {
            Term::Sequence(arguments) => arguments,
            only => vec![only],
        };
        Ok(Term::Call(name.to_owned(), arguments))
    }
}
