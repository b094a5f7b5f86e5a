//! Packets.

use netmart_proto::wire::tcp::Flags;

use super::{Parser, SyntaxError, Token};
use crate::drill::ast::{
    Ack, Direction, EcnMark, Encapsulation, Extent, FlagPattern, IcmpKind, IcmpPacket, IpInfo,
    Packet, PacketBody, Quoted, TcpOptions, TcpPacket, UdpPacket,
};

impl Parser {
    pub(super) fn packet(&mut self) -> Result<Packet, SyntaxError> {
        let direction = match self.take() {
            Token::Char('<') => Direction::Inbound,
            _ => Direction::Outbound,
        };
        let encapsulation = self.encapsulation()?;
        let ip = self.ip_info()?;
        if ip.ecn == Some(EcnMark::Ect01) && direction == Direction::Inbound {
            return Err(self.error("`ect01` in outbound packets only"));
        }
        let quoted = if self.is_char('[') { Some(self.quoted()?) } else { None };
        let body = if self.take_word("icmp") {
            PacketBody::Icmp(self.icmp(quoted)?)
        } else if quoted.is_some() {
            return Err(self.error("`icmp`"));
        } else if self.take_word("udp") {
            PacketBody::Udp(self.udp()?)
        } else if self.is_word("sctp") || self.is_word("udplite") {
            return Err(self.error("TCP, UDP or ICMP"));
        } else {
            PacketBody::Tcp(self.tcp(direction)?)
        };
        Ok(Packet { direction, encapsulation, ip, body })
    }

    fn encapsulation(&mut self) -> Result<Vec<Encapsulation>, SyntaxError> {
        let mut headers = Vec::new();
        loop {
            if self.take_word("ipv4") || self.take_word("ipv6") {
                let info = self.ip_info()?;
                let src = self.address()?;
                self.expect_char('>')?;
                let dst = self.address()?;
                headers.push(Encapsulation::Ip { src, dst, info });
            } else if self.is_word("gre") || self.is_word("GREv0") {
                headers.push(Encapsulation::Gre);
                self.skip_to_colon()?;
            } else if self.is_word("mpls") {
                headers.push(Encapsulation::Mpls);
                self.skip_to_colon()?;
            } else {
                return Ok(headers);
            }
            self.expect_char(':')?;
        }
    }

    /// What a tunnel's header says in detail does not matter: no run supports tunnels.
    fn skip_to_colon(&mut self) -> Result<(), SyntaxError> {
        while !self.is_char(':') {
            if *self.peek() == Token::End {
                return Err(self.error("`:` behind the tunnel's header"));
            }
            self.take();
        }
        Ok(())
    }

    fn address(&mut self) -> Result<std::net::IpAddr, SyntaxError> {
        match *self.peek() {
            Token::Address(address) => {
                self.take();
                Ok(address)
            }
            _ => Err(self.error("an address")),
        }
    }

    /// `[ect0]`, `(tos 0x2, ttl 5)`; nothing if there are no brackets, or if they quote a packet.
    fn ip_info(&mut self) -> Result<IpInfo, SyntaxError> {
        let mut info = IpInfo::default();
        let close = match (self.peek(), self.peek_at(1)) {
            (Token::Char('['), Token::Word(word)) if word != "udp" && word != "raw" => ']',
            (Token::Char('('), Token::Word(_)) => ')',
            _ => return Ok(info),
        };
        self.take();
        loop {
            self.ip_field(&mut info)?;
            if self.take_char(close) {
                return Ok(info);
            }
            if !self.take_char(',') {
                return Err(self.error(format!("`,` or `{close}`")));
            }
        }
    }

    fn ip_field(&mut self, info: &mut IpInfo) -> Result<(), SyntaxError> {
        const EXPECTED: &str =
            "ect0, ect1, ect01, ce, noecn, ecn, tos, class, dscp, ttl, hlim or flowlabel";
        let Token::Word(word) = self.peek().clone() else { return Err(self.error(EXPECTED)) };
        if word == "ecn" {
            self.take();
            return self.ip_field(info);
        }
        if let Some(mark) = ecn_mark(&word) {
            self.take();
            info.ecn = Some(mark);
            return Ok(());
        }
        if !["tos", "class", "dscp", "ttl", "hlim", "flowlabel"].contains(&word.as_str()) {
            return Err(self.error(EXPECTED));
        }
        self.take();
        match word.as_str() {
            "tos" | "class" => info.tos = Some(self.expect_number("the octet")?),
            "dscp" => info.dscp = Some(self.dscp()?),
            "ttl" | "hlim" => info.ttl = Some(self.expect_number("the number of hops")?),
            _ => info.flow_label = Some(self.expect_number("the flow label")?),
        }
        Ok(())
    }

    /// The names of RFC 2474, 2597, 3246, 5865 and 8622, or a number of six bits.
    fn dscp(&mut self) -> Result<u8, SyntaxError> {
        let error =
            self.error("cs0 to cs7, af11 to af43, ef, voice_admit, le, or a number below 64");
        let value = match self.peek() {
            Token::Word(word) => named_dscp(&word.to_ascii_lowercase()).ok_or(error)?,
            Token::Integer(value) | Token::Hex(value) => {
                u8::try_from(*value).ok().filter(|value| *value < 64).ok_or(error)?
            }
            _ => return Err(error),
        };
        self.take();
        Ok(value)
    }

    fn ports(&mut self) -> Result<Option<(u16, u16)>, SyntaxError> {
        let (Token::Integer(_), Token::Char('>')) = (self.peek(), self.peek_at(1)) else {
            return Ok(None);
        };
        let src = self.expect_number("a port")?;
        self.expect_char('>')?;
        Ok(Some((src, self.expect_number("a port")?)))
    }

    fn tcp(&mut self, direction: Direction) -> Result<TcpPacket, SyntaxError> {
        let ports = self.ports()?;
        let flags = self.flags()?;
        let is_open = *self.peek() == Token::Ellipsis;
        self.only_outbound(direction, is_open, "a sequence number")?;
        let seq = self.extent()?;
        let mut packet = TcpPacket {
            ports,
            flags,
            seq,
            ack: Ack::Absent,
            window: None,
            urgent: None,
            options: TcpOptions::These(Vec::new()),
            udp_encapsulation: None,
        };
        loop {
            if self.take_word("ack") {
                packet.ack = match self.peek() {
                    Token::Ellipsis => {
                        self.only_outbound(direction, true, "an acknowledgement number")?;
                        self.take();
                        Ack::Any
                    }
                    _ => Ack::Relative(self.expect_number("an acknowledgement number")?),
                };
            } else if self.take_word("win") {
                packet.window = match self.peek() {
                    Token::Ellipsis => {
                        self.only_outbound(direction, true, "a window")?;
                        self.take();
                        None
                    }
                    _ => Some(self.expect_number("a window")?),
                };
            } else if self.take_word("urg") {
                packet.urgent = Some(self.expect_number("an urgent pointer")?);
            } else if self.is_char('<') {
                packet.options = self.tcp_options(direction)?;
            } else if self.take_char('/') {
                if !self.take_word("udp") {
                    return Err(self.error("`udp(port > port)`"));
                }
                self.expect_char('(')?;
                packet.udp_encapsulation = self.ports()?;
                self.expect_char(')')?;
            } else {
                return Ok(packet);
            }
        }
    }

    /// An error if `is_open` in an inbound packet, which must say what it has.
    pub(super) fn only_outbound(
        &self,
        direction: Direction,
        is_open: bool,
        what: &str,
    ) -> Result<(), SyntaxError> {
        if is_open && direction == Direction::Inbound {
            return Err(self.error(format!("{what}, as the packet is inbound")));
        }
        Ok(())
    }

    fn flags(&mut self) -> Result<FlagPattern, SyntaxError> {
        let error =
            self.error("flags: letters of FSRPUEWCA, a dot for ACK, a digit for ACE, or `-`");
        let mut text = String::new();
        match self.peek() {
            Token::Char('-') => {
                self.take();
                return Ok(FlagPattern::default());
            }
            // `5.` and `P5.` of FreeBSD's dialect say what `.5` and `P.5` do.
            Token::Word(word) => {
                text.push_str(word);
                self.take();
            }
            Token::Integer(0..=7) if *self.peek_at(1) == Token::Char('.') => {
                text.push_str(&self.tokens[self.next].text);
                self.take();
            }
            _ => {}
        }
        match self.peek() {
            Token::Char('.') => {
                text.push('.');
                self.take();
            }
            Token::Float(behind) => {
                text.push_str(behind);
                self.take();
            }
            _ => {}
        }
        flag_pattern(&text).ok_or(error)
    }

    /// `1:1001(1000)`, perhaps with a `!`, or `...(1000)`.
    fn extent(&mut self) -> Result<Extent, SyntaxError> {
        let at = self.at();
        if *self.peek() == Token::Ellipsis {
            self.take();
            let len = self.length()?;
            return Ok(Extent { start: None, len, is_absolute: false });
        }
        let start: u32 =
            self.expect_number("sequence numbers: first:last(length), or ...(length)")?;
        self.expect_char(':')?;
        let end: u32 = self.expect_number("the sequence number behind the last octet")?;
        let len = self.length()?;
        let expected = start.wrapping_add(u32::from(len));
        if end != expected {
            let found = format!("`{start}:{end}({len})`");
            return Err(SyntaxError::new(at, format!("`{start}:{expected}({len})`"), found));
        }
        let is_absolute = self.take_char('!');
        Ok(Extent { start: Some(start), len, is_absolute })
    }

    fn length(&mut self) -> Result<u16, SyntaxError> {
        self.expect_char('(')?;
        let len = self.expect_number("a length")?;
        self.expect_char(')')?;
        Ok(len)
    }

    fn udp(&mut self) -> Result<UdpPacket, SyntaxError> {
        let ports = self.ports()?;
        Ok(UdpPacket { ports, len: self.length()? })
    }

    fn icmp(&mut self, quoted: Option<Quoted>) -> Result<IcmpPacket, SyntaxError> {
        let name = self.icmp_name("a type of ICMP", IcmpKind::is_type)?;
        let code = match self.peek() {
            Token::Word(word) if word != "mtu" && word != "id" => {
                let is_code = |code: &str| IcmpKind::is_code(&name, code);
                Some(self.icmp_name("a code of that type, `mtu`, `id` or `[`", is_code)?)
            }
            _ => None,
        };
        let kind = IcmpKind { name, code };
        let mut packet = IcmpPacket { kind, mtu: None, ident: None, quoted };
        loop {
            if self.take_word("mtu") {
                packet.mtu = Some(self.expect_number("an MTU")?);
            } else if self.take_word("id") {
                packet.ident = Some(self.expect_number("an identifier")?);
            } else if self.is_char('[') {
                packet.quoted = Some(self.quoted()?);
            } else {
                return Ok(packet);
            }
        }
    }

    fn icmp_name(
        &mut self,
        expected: &str,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<String, SyntaxError> {
        match self.peek() {
            Token::Word(word) if is_known(word) => self.expect_word(expected),
            _ => Err(self.error(expected)),
        }
    }

    fn quoted(&mut self) -> Result<Quoted, SyntaxError> {
        self.expect_char('[')?;
        let quoted = if self.take_word("udp") {
            Quoted::Udp(self.length()?)
        } else if self.take_word("raw") {
            Quoted::Raw(self.length()?)
        } else {
            Quoted::Tcp(self.extent()?)
        };
        self.expect_char(']')?;
        Ok(quoted)
    }
}

fn ecn_mark(word: &str) -> Option<EcnMark> {
    Some(match word {
        "noecn" => EcnMark::NotEct,
        "ect0" => EcnMark::Ect0,
        "ect1" => EcnMark::Ect1,
        "ect01" => EcnMark::Ect01,
        "ce" => EcnMark::Ce,
        _ => return None,
    })
}

/// The upper six bits that a name of a class stands for (RFC 2474, 2597, 3246, 5865, 8622).
pub(in crate::drill) fn named_dscp(name: &str) -> Option<u8> {
    match (name, name.as_bytes()) {
        ("ef", _) => Some(46),
        ("voice_admit", _) => Some(44),
        ("le", _) => Some(1),
        (_, [b'c', b's', class @ b'0'..=b'7']) => Some((class - b'0') << 3),
        (_, [b'a', b'f', class @ b'1'..=b'4', drop @ b'1'..=b'3']) => {
            Some((class - b'0') << 3 | (drop - b'0') << 1)
        }
        _ => None,
    }
}

/// Reads flags as they are written. Nothing for no flag at all, which is written `-`.
fn flag_pattern(text: &str) -> Option<FlagPattern> {
    let mut pattern = FlagPattern::default();
    for letter in text.chars() {
        pattern.flags |= match letter {
            'F' => Flags::FIN,
            'S' => Flags::SYN,
            'R' => Flags::RST,
            'P' => Flags::PSH,
            '.' => Flags::ACK,
            'U' => Flags::URG,
            'E' => Flags::ECE,
            'W' | 'C' => Flags::CWR,
            'A' => Flags::AE,
            '0'..='7' if pattern.ace.is_none() => {
                let ace = letter as u8 - b'0';
                pattern.ace = Some(ace);
                // ECE and CWR are beside one another, AE is in the octet before.
                Flags(u16::from(ace) << 6)
            }
            _ => return None,
        };
    }
    (!text.is_empty()).then_some(pattern)
}
