//! What the kernel dropped because a receive buffer was full. A socket does not tell by itself; the kernel's
//! table of sockets does.

use std::collections::BTreeMap;
use std::fs;

/// The tables of the network namespace that the calling thread is in.
const TABLES: [&str; 2] = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"];

/// How many datagrams each UDP socket of the system has lost, by inode. Empty where there is no `/proc`.
pub(super) fn by_inode() -> BTreeMap<u64, u64> {
    let tables = TABLES.iter().filter_map(|path| fs::read_to_string(path).ok());
    tables.flat_map(|table| table.lines().filter_map(entry).collect::<Vec<_>>()).collect()
}

/// Inode and losses of one line: the tenth field and the last.
fn entry(line: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some((fields.get(9)?.parse().ok()?, fields.last()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_inode_and_losses() {
        let heading = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                       uid  timeout inode ref pointer drops";
        let line = "  325: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0 \
                    0 41267 2 ffff8881 17";
        assert_eq!(entry(heading), None);
        assert_eq!(entry(line), Some((41_267, 17)));
    }
}
