use super::*;
use crate::drill::ast::Position;

fn run_text(text: &str, names: &mut Names) -> Result<Outcome, CodeError> {
    let code = Code { at: Position { line: 3, column: 7 }, text: text.to_owned() };
    run(&code, names, &mut |name| {
        Some(Value::Integer(match name {
            "tcpi_snd_cwnd" => 10,
            "tcpi_snd_ssthresh" => 0x7fff_ffff,
            "tcpi_rto" => 204_000,
            "tcpi_state" | "TCPI_CLOSE_WAIT" => 8,
            "TCPI_OPT_SACK" => 2,
            "tcpi_options" => 7,
            _ => return None,
        }))
    })
}

fn outcome(text: &str) -> Outcome {
    run_text(text, &mut Names::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_holds() {
    for text in [
        "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
        "assert tcpi_state == TCPI_CLOSE_WAIT",
        "assert (tcpi_options & TCPI_OPT_SACK) != 0, tcpi_options",
        "assert tcpi_options & TCPI_OPT_SACK == 0 or True",
        "assert 200000 <= tcpi_rto < 250000",
        "assert not (1 > 2) and not 2 == 3",
        "assert abs(tcpi_rto - 200000) < 5000; assert True",
        "assert tcpi_rto / 1000.0 == 204 and tcpi_rto / 8 == 25500.0",
        "assert 7 // 2 == 3 and -7 // 2 == -4 and -7 % 3 == 2 and 2 ** 10 == 1024",
        "assert 1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 1 << 2 + 1 == 8",
        "assert 0x7fffffff == tcpi_snd_ssthresh",
        "assert tcpi_snd_cwnd in (9, 10) and 3 not in [1, 2]",
        "assert min(3, 1, 2) == 1 and max([1, 5]) == 5 and int(2.9) == 2 and len('ab') == 2",
        "assert (tcpi_snd_cwnd ==\n   10 and\n   True)\nassert 1",
        "# remark\nassert 1 # another\n\n",
        "assert 3 if tcpi_snd_cwnd > 5 else 0",
        "assert '%d of %s%%' % (1, 'x') == '1 of x%'",
        "assert ~0 == -1 and --1 == 1 and not not 1",
        "assert None is None and 1 is not None",
        "pass",
        "",
    ] {
        assert_eq!(outcome(text), Outcome::Holds(vec![]), "{text}");
    }
}

#[test]
fn what_does_not_hold_tells_the_values() {
    let fails = |assertion: &str, because: &str| Outcome::Fails {
        assertion: assertion.to_owned(),
        because: because.to_owned(),
    };
    assert_eq!(
        outcome("assert tcpi_snd_cwnd == 11, 'cwnd'"),
        fails("tcpi_snd_cwnd == 11", "tcpi_snd_cwnd is 10, cwnd")
    );
    assert_eq!(
        outcome("assert 1\nassert tcpi_state != TCPI_CLOSE_WAIT"),
        fails("tcpi_state != TCPI_CLOSE_WAIT", "tcpi_state is 8")
    );
    assert_eq!(outcome("assert 0"), fails("0", ""));
}

#[test]
fn names_live_on() {
    let mut names = Names::default();
    run_text("old = tcpi_rto; LIMIT = 0x10", &mut names).expect("it runs");
    let printed = run_text("print old, LIMIT + 1\nprint(old == tcpi_rto)", &mut names);
    assert_eq!(printed, Ok(Outcome::Holds(vec!["204000 17".to_owned(), "True".to_owned()])));
    let printed = run_text("print \"{}\\t{}\".format(old, tcpi_strange)", &mut names);
    assert_eq!(printed, Ok(Outcome::Holds(vec!["tcpi_strange?".to_owned()])), "it decides nothing");
}

#[test]
fn what_cannot_be_run_is_an_error() {
    let error = |text: &str| run_text(text, &mut Names::default()).expect_err(text);
    assert_eq!(error("assert nonsense"), CodeError::UnknownName("nonsense".to_owned()));
    assert_eq!(error("assert f(1)"), CodeError::UnknownName("f".to_owned()));
    assert!(matches!(error("assert 1 / 0"), CodeError::Senseless(_)));
    assert!(matches!(error("assert 1 // 0"), CodeError::Senseless(_)));
    assert!(matches!(error("assert 'a' < 1"), CodeError::Senseless(_)));
    assert!(matches!(error("assert 2 ** 200"), CodeError::Senseless(_)));
    for (text, place) in [
        ("assert 1 +", "3:17"),
        ("assert 1\n assert (2", "4:11"),
        ("assert 1 2", "3:16"),
        ("if x: assert 1", "3:7"),
        ("import os", "3:7"),
        ("assert 'a", "3:14"),
    ] {
        match error(text) {
            CodeError::Syntax(error) => assert_eq!(error.at.to_string(), place, "{text}: {error}"),
            other => panic!("{text}: {other}"),
        }
    }
    let deep = format!("assert {}1", "(".repeat(10_000));
    assert!(matches!(error(&deep), CodeError::Syntax(_)));
    let deep = format!("assert {}1", "-".repeat(10_000));
    assert!(matches!(error(&deep), CodeError::Syntax(_)));
}
