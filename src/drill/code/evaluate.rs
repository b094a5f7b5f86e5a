//! What statements come to.

use super::parse::{Statement, Term};
use super::value::Value;
use super::{CodeError, Names, Outcome};

/// Looks up what the code has not named itself.
type Lookup<'a> = &'a mut dyn FnMut(&str) -> Option<Value>;

pub(super) fn run(
    statements: &[Statement],
    names: &mut Names,
    lookup: Lookup<'_>,
) -> Result<Outcome, CodeError> {
    let mut printed = Vec::new();
    for statement in statements {
        let mut scope = Scope { names, lookup, used: Vec::new() };
        match statement {
            Statement::Assign(name, term) => {
                let value = scope.evaluate(term)?;
                names.0.insert(name.clone(), value);
            }
            Statement::Evaluate(term) => _ = scope.evaluate(term)?,
            Statement::Print(terms) => {
                // What is only printed decides nothing.
                let values = terms.iter().map(|term| match scope.evaluate(term) {
                    Err(CodeError::UnknownName(name)) => Ok(Value::Text(format!("{name}?"))),
                    other => other,
                });
                let values: Vec<_> = values.collect::<Result<_, _>>()?;
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                printed.push(values.join(" "));
            }
            Statement::Assert { condition, message, text } => {
                if scope.evaluate(condition)?.is_true() {
                    continue;
                }
                let mut reasons = Vec::new();
                let used = std::mem::take(&mut scope.used);
                reasons.extend(used.into_iter().map(|(name, value)| format!("{name} is {value}")));
                if let Some(message) = message {
                    reasons.push(scope.evaluate(message)?.to_string());
                }
                return Ok(Outcome::Fails { assertion: text.clone(), because: reasons.join(", ") });
            }
        }
    }
    Ok(Outcome::Holds(printed))
}

struct Scope<'a, 'b> {
    names: &'a Names,
    lookup: Lookup<'b>,
    /// The names whose values are variable, and the values they had.
    used: Vec<(String, Value)>,
}

impl Scope<'_, '_> {
    fn evaluate(&mut self, term: &Term) -> Result<Value, CodeError> {
        match term {
            Term::Constant(value) => Ok(value.clone()),
            Term::Name(name) => self.name(name),
            Term::Sequence(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.evaluate(item)).collect();
                Ok(Value::Sequence(items?))
            }
            Term::Unary(operator, operand) => {
                let operand = self.evaluate(operand)?;
                unary(operator, &operand)
            }
            Term::Binary(operator, left, right) => {
                let left = self.evaluate(left)?;
                let right = self.evaluate(right)?;
                binary(operator, &left, &right)
            }
            Term::Compare(first, others) => {
                let mut left = self.evaluate(first)?;
                for (operator, term) in others {
                    let right = self.evaluate(term)?;
                    if !compare(operator, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Ok(Value::Bool(true))
            }
            Term::And(left, right) => {
                let left = self.evaluate(left)?;
                if left.is_true() { self.evaluate(right) } else { Ok(left) }
            }
            Term::Or(left, right) => {
                let left = self.evaluate(left)?;
                if left.is_true() { Ok(left) } else { self.evaluate(right) }
            }
            Term::Choice { condition, value, other } => {
                let is_value = self.evaluate(condition)?.is_true();
                self.evaluate(if is_value { value } else { other })
            }
            Term::Call(name, arguments) => {
                let arguments: Result<Vec<_>, _> =
                    arguments.iter().map(|argument| self.evaluate(argument)).collect();
                call(name, &arguments?)
            }
        }
    }

    fn name(&mut self, name: &str) -> Result<Value, CodeError> {
        let named = self.names.0.get(name).cloned();
        let value = named
            .or_else(|| (self.lookup)(name))
            .ok_or_else(|| CodeError::UnknownName(name.to_owned()))?;
        // Constants are written in capitals, and nobody wonders about their values.
        if name.chars().any(|char| char.is_ascii_lowercase())
            && !self.used.iter().any(|(used, _)| used == name)
        {
            self.used.push((name.to_owned(), value.clone()));
        }
        Ok(value)
    }
}

fn senseless(operator: &str, values: &[&Value]) -> CodeError {
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    CodeError::Senseless(format!("`{operator}` of {} makes no sense", values.join(" and ")))
}

fn unary(operator: &str, operand: &Value) -> Result<Value, CodeError> {
    let error = || senseless(operator, &[operand]);
    match (operator, operand) {
        ("not", operand) => Ok(Value::Bool(!operand.is_true())),
        ("-", Value::Float(value)) => Ok(Value::Float(-value)),
        ("+", Value::Float(value)) => Ok(Value::Float(*value)),
        (operator, operand) => {
            let value = operand.as_integer().ok_or_else(error)?;
            let value = match operator {
                "-" => value.checked_neg(),
                "~" => Some(!value),
                _ => Some(value),
            };
            value.map(Value::Integer).ok_or_else(error)
        }
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Result<Value, CodeError> {
    let error = || senseless(operator, &[left, right]);
    match (operator, left, right) {
        ("+", Value::Text(left), Value::Text(right)) => {
            return Ok(Value::Text(format!("{left}{right}")));
        }
        ("%", Value::Text(format), values) => return Ok(Value::Text(formatted(format, values))),
        _ => {}
    }
    if let (Some(left), Some(right)) = (left.as_integer(), right.as_integer())
        && operator != "/"
    {
        let shift = || u32::try_from(right).ok().filter(|shift| *shift < 64);
        let value = match operator {
            "+" => left.checked_add(right),
            "-" => left.checked_sub(right),
            "*" => left.checked_mul(right),
            // Python rounds down where Rust rounds towards zero.
            "//" => left.checked_div_euclid(right).map(|_| floor_div(left, right)),
            "%" => left.checked_rem(right).map(|_| left - floor_div(left, right) * right),
            "&" => Some(left & right),
            "|" => Some(left | right),
            "^" => Some(left ^ right),
            "<<" => shift().and_then(|shift| left.checked_mul(1 << shift)),
            ">>" => shift().map(|shift| left >> shift),
            "**" => shift().and_then(|exponent| left.checked_pow(exponent)),
            _ => None,
        };
        return value.map(Value::Integer).ok_or_else(error);
    }
    let (Some(left), Some(right)) = (left.as_float(), right.as_float()) else {
        return Err(error());
    };
    let value = match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" if right != 0.0 => left / right,
        "//" if right != 0.0 => (left / right).floor(),
        "%" if right != 0.0 => left - (left / right).floor() * right,
        "**" => left.powf(right),
        _ => return Err(error()),
    };
    Ok(Value::Float(value))
}

/// `right` is not zero, and the quotient has a value.
fn floor_div(left: i128, right: i128) -> i128 {
    let quotient = left / right;
    let is_inexact = left % right != 0;
    if is_inexact && (left < 0) != (right < 0) { quotient - 1 } else { quotient }
}

/// `'%d of %s' % values`, each directive filled as it comes.
fn formatted(format: &str, values: &Value) -> String {
    let values = match values {
        Value::Sequence(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut values = values.iter();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        while chars.next_if(|char| !char.is_ascii_alphabetic()).is_some() {}
        chars.next();
        text.push_str(&values.next().map(ToString::to_string).unwrap_or_default());
    }
    text
}

fn compare(operator: &str, left: &Value, right: &Value) -> Result<bool, CodeError> {
    match operator {
        "==" => return Ok(left.equals(right)),
        "!=" | "<>" => return Ok(!left.equals(right)),
        "in" | "not in" => {
            let is_in = match (left, right) {
                (left, Value::Sequence(items)) => items.iter().any(|item| item.equals(left)),
                (Value::Text(left), Value::Text(right)) => right.contains(left.as_str()),
                _ => return Err(senseless(operator, &[left, right])),
            };
            return Ok(is_in == (operator == "in"));
        }
        _ => {}
    }
    let ordering = left.compare(right).ok_or_else(|| senseless(operator, &[left, right]))?;
    Ok(match operator {
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        _ => ordering.is_ge(),
    })
}

fn call(name: &str, arguments: &[Value]) -> Result<Value, CodeError> {
    let error = || senseless(name, &arguments.iter().collect::<Vec<_>>());
    match (name, arguments) {
        ("abs", [Value::Float(value)]) => Ok(Value::Float(value.abs())),
        ("abs", [value]) => {
            let value = value.as_integer().and_then(i128::checked_abs);
            value.map(Value::Integer).ok_or_else(error)
        }
        ("int" | "long", [Value::Float(value)]) if value.is_finite() => {
            Ok(Value::Integer(value.trunc() as i128))
        }
        ("int" | "long", [value]) => value.as_integer().map(Value::Integer).ok_or_else(error),
        ("float", [value]) => value.as_float().map(Value::Float).ok_or_else(error),
        ("bool", [value]) => Ok(Value::Bool(value.is_true())),
        ("str" | "repr", [value]) => Ok(Value::Text(value.to_string())),
        ("hex", [value]) => {
            let value = value.as_integer().ok_or_else(error)?;
            Ok(Value::Text(format!("{value:#x}")))
        }
        ("round", [value]) => {
            let value = value.as_float().filter(|value| value.is_finite()).ok_or_else(error)?;
            Ok(Value::Integer(value.round_ties_even() as i128))
        }
        ("len", [Value::Sequence(items)]) => Ok(Value::Integer(items.len() as i128)),
        ("len", [Value::Text(text)]) => Ok(Value::Integer(text.chars().count() as i128)),
        ("min" | "max", [Value::Sequence(items)]) if items.len() > 1 => call(name, items),
        ("min" | "max", [first, others @ ..]) => {
            let mut best = first;
            for other in others {
                let ordering = other.compare(best).ok_or_else(error)?;
                let is_better = if name == "min" { ordering.is_lt() } else { ordering.is_gt() };
                best = if is_better { other } else { best };
            }
            Ok(best.clone())
        }
        (
            "abs" | "int" | "long" | "float" | "bool" | "hex" | "len" | "min" | "max" | "round",
            _,
        ) => Err(error()),
        _ => Err(CodeError::UnknownName(name.to_owned())),
    }
}
