//! Numbers of bytes, documents and seconds as people write and read them.

use std::time::Duration;

/// Reads `64M`, `1.5GiB`, `4096`: units are powers of 1024.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let power = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(format!("`{text}` has an unknown unit; write for example 512M, or 2G")),
    };
    let number: f64 =
        digits.trim().parse().map_err(|_| format!("`{text}` is no size; write for example 512M"))?;
    let bytes = number * 1024f64.powi(power);
    if !(1.0..=usize::MAX as f64 / 2.0).contains(&bytes) {
        return Err(format!("`{text}` is out of range"));
    }
    Ok(bytes as usize)
}

/// `1.5 GiB`, `640 KiB`, `12 B`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// `1 document`, `1,234 documents`, `2 queries`.
pub fn count(number: u64, noun: &str) -> String {
    let number_word = grouped(number);
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("{number_word} {noun}"),
        (_, Some(stem)) => format!("{number_word} {stem}ies"),
        (_, None) => format!("{number_word} {noun}s"),
    }
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3 ms`, `4.56 s`, `870 µs`.
pub fn nanos(nanos: u64) -> String {
    let seconds = Duration::from_nanos(nanos).as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Nanoseconds as milliseconds, for JSON.
pub fn millis(nanos: u64) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_bytes("4096"), Ok(4096));
        assert_eq!(parse_bytes("512M"), Ok(512 << 20));
        assert_eq!(parse_bytes("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_bytes("2kb"), Ok(2048));
        for bad in ["", "M", "12X", "-1", "0", "nan", "1e99"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_written() {
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(count(1, "document"), "1 document");
        assert_eq!(count(2, "query"), "2 queries");
        assert_eq!(count(1_234_567, "token"), "1,234,567 tokens");
        assert_eq!(nanos(1_500_000), "1.5 ms");
        assert_eq!(nanos(870_000), "870 µs");
        assert_eq!(millis(1_234_567), 1.235);
    }
}
