use super::*;

fn kinds(text: &str) -> Vec<Token> {
    let mut tokens: Vec<_> =
        tokens(text).expect("tokens").into_iter().map(|located| located.token).collect();
    assert_eq!(tokens.pop(), Some(Token::End));
    tokens
}

fn word(text: &str) -> Token {
    Token::Word(text.to_owned())
}

fn float(text: &str) -> Token {
    Token::Float(text.to_owned())
}

#[test]
fn the_longest_token_wins() {
    use Token::{Char, Ellipsis, Hex, Integer};
    let cases = [
        ("0...0.1", vec![Integer(0), Ellipsis, float("0.1")]),
        ("+0.200...0.300", vec![Char('+'), float("0.200"), Ellipsis, float("0.300")]),
        ("S.", vec![word("S"), Char('.')]),
        ("S.5", vec![word("S"), float(".5")]),
        (".", vec![Char('.')]),
        ("...(0)", vec![Ellipsis, Char('('), Integer(0), Char(')')]),
        (
            "1:1001(1000)",
            vec![Integer(1), Char(':'), Integer(1001), Char('('), Integer(1000), Char(')')],
        ),
        ("0x2f", vec![Hex(0x2f)]),
        ("-1", vec![Integer(-1)]),
        ("- 1", vec![Char('-'), Integer(1)]),
        ("12ab", vec![word("12ab")]),
        ("192.0.2.1", vec![Token::Address("192.0.2.1".parse().expect("an address"))]),
        ("fe80::1:", vec![Token::Address("fe80::1".parse().expect("an address")), Char(':')]),
        ("ack 1", vec![word("ack"), Integer(1)]),
        ("1.5~2", vec![float("1.5"), Char('~'), Integer(2)]),
        ("4294967295", vec![Integer(4_294_967_295)]),
    ];
    for (text, expected) in cases {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn comments_and_blanks_are_nothing() {
    assert_eq!(kinds("a // b\n/* c\n * d */ e \\\n f"), [word("a"), word("e"), word("f")]);
    assert_eq!(kinds("close(3) = 0//"), kinds("close ( 3 ) = 0"));
}

#[test]
fn quotes_keep_what_is_in_them() {
    assert_eq!(kinds(r#""a\"b\n\x41\101""#), [Token::Text(b"a\"b\nAA".to_vec())]);
    assert_eq!(kinds("`echo \"x\" // y`"), [Token::Command("echo \"x\" // y".to_owned())]);
    let at = Position { line: 1, column: 4 };
    assert_eq!(kinds("%{ assert a }%"), [Token::Code("assert a".to_owned(), at)]);
}

#[test]
fn options_end_at_a_blank() {
    let option =
        |name: &str, value: Option<&str>| Token::Option(name.to_owned(), value.map(str::to_owned));
    let cases = [
        ("--mtu=1500", vec![option("mtu", Some("1500"))]),
        ("--dry_run", vec![option("dry_run", None)]),
        (
            "--ip_version=ipv4-mapped-ipv6 --x=1",
            vec![option("ip_version", Some("ipv4-mapped-ipv6")), option("x", Some("1"))],
        ),
        ("--define=CC=\"a b\"", vec![option("define", Some("CC=\"a b\""))]),
        ("--connect_port=\"80\"", vec![option("connect_port", Some("80"))]),
    ];
    for (text, expected) in cases {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn places_are_of_lines_and_characters() {
    let places: Vec<_> =
        tokens("ab  c\n é d").expect("tokens").into_iter().map(|located| located.at).collect();
    let expected = [(1, 1), (1, 5), (2, 2), (2, 4), (2, 5)];
    let expected: Vec<_> =
        expected.into_iter().map(|(line, column)| Position { line, column }).collect();
    assert_eq!(places, expected);
}

#[test]
fn what_does_not_end_is_an_error() {
    for (text, place) in [("a\n  \"b", "2:3"), ("`x", "1:1"), ("%{ x", "1:1"), ("/* x", "1:1")] {
        let error = tokens(text).expect_err(text);
        assert_eq!(error.at.to_string(), place, "{error}");
    }
    assert!(tokens("0xfg").is_err());
}

#[test]
fn code_and_comments_are_not_preprocessed() {
    let text = "0 %{\n#python\nx = 1\n}%\n/*\n#ifdef A\n*/\n#ifdef A\nb\n#endif\n";
    let kept = preprocess(text, &[]).expect("well formed");
    assert_eq!(kept, "0 %{\n#python\nx = 1\n}%\n/*\n#ifdef A\n*/\n\n\n\n");
}

#[test]
fn the_preprocessor_chooses_and_keeps_line_numbers() {
    let text =
        "a\n#ifdef STANDARD\nb\n#else\nc\n#endif\n#ifndef STANDARD\nd\n#endif\n# remark\ne\n";
    let kept = preprocess(text, &["STANDARD"]).expect("well formed");
    assert_eq!(kept, "a\n\nb\n\n\n\n\n\n\n\ne\n");
    let text = "#if defined(A) || !defined(B)\na\n#elif 1\nb\n#endif\n";
    assert_eq!(preprocess(text, &["B"]).expect("well formed"), "\n\n\nb\n\n");
    assert_eq!(preprocess(text, &[]).expect("well formed"), "\na\n\n\n\n");
    for (text, line) in [("#ifdef A\n", 1), ("a\n#endif\n", 2), ("#include \"x\"\n", 1)] {
        assert_eq!(preprocess(text, &[]).expect_err(text).at.line, line);
    }
}
