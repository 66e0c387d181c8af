//! Path patterns: `*`, `?`, `[a-z]` and `{a,b}` within a node, which has no dot.

use super::error::{Result, refuse};

/// The most nodes that a pattern's lists expand to.
const MAX_VARIANTS: usize = 256;

/// The alternatives for one node of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node(Vec<String>);

impl Node {
    /// Parses the nodes of a path, separated by dots.
    ///
    /// # Errors
    /// If lists expand to too many.
    pub fn all(path: &str) -> Result<Vec<Self>> {
        path.split('.').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self> {
        let mut variants = vec![String::new()];
        let mut rest = text;
        while let Some((plain, behind)) = rest.split_once('{') {
            let Some((list, behind)) = behind.split_once('}') else { break };
            let parts: Vec<&str> = list.split(',').collect();
            if variants.len() * parts.len() > MAX_VARIANTS {
                return refuse(format!("the lists in {text:?} expand to more than {MAX_VARIANTS} names"));
            }
            let joined =
                |variant: &String| parts.iter().map(|part| format!("{variant}{plain}{part}")).collect::<Vec<_>>();
            variants = variants.iter().flat_map(joined).collect();
            rest = behind;
        }
        for variant in &mut variants {
            variant.push_str(rest);
        }
        Ok(Self(variants))
    }

    /// Whether a name matches.
    #[must_use]
    pub fn accepts(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern.as_bytes(), name.as_bytes()))
    }

    /// The names that it can match, if it has no wildcard.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        let is_plain = self.0.iter().all(|variant| !variant.contains(['*', '?', '[']));
        is_plain.then_some(self.0.as_slice())
    }
}

/// Backtracks to one place only, the last `*`: its time is at most the product of the lengths.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, seen));
            at += 1;
            continue;
        }
        if let Some(len) = fits_one(&pattern[at..], name[seen]) {
            (at, seen) = (at + len, seen + 1);
        } else if let Some((star_at, star_seen)) = star {
            star = Some((star_at, star_seen + 1));
            (at, seen) = (star_at + 1, star_seen + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The length of the part of a pattern that matches a byte.
fn fits_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let end = pattern.iter().skip(1).position(|byte| *byte == b']')? + 1;
            let (is_wanted, set) = match &pattern[1..end] {
                [b'!', set @ ..] => (false, set),
                set => (true, set),
            };
            (contains(set, byte) == is_wanted).then_some(end + 1)
        }
        plain => (*plain == byte).then_some(1),
    }
}

fn contains(mut set: &[u8], byte: u8) -> bool {
    while let Some(first) = set.first() {
        if let [from, b'-', to, rest @ ..] = set {
            if (*from..=*to).contains(&byte) {
                return true;
            }
            set = rest;
        } else if *first == byte {
            return true;
        } else {
            set = &set[1..];
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_may_have_wildcards_classes_and_lists() {
        for (pattern, name, wanted) in [
            ("*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("h[0-9][0-9]", "h42", true),
            ("{US,DE}", "DE", true),
            ("{US,D*}", "DK", true),
            ("x{a,b}{c,d}", "xbd", true),
            ("x{a,b}{c,d}", "xba", false),
            ("[", "[", false),
        ] {
            assert_eq!(Node::parse(pattern).expect("few").accepts(name), wanted, "{pattern} {name}");
        }
        assert!(Node::parse(&"{a,b}".repeat(9)).is_err());
        assert!(!fits("*a".repeat(50).as_bytes(), "b".repeat(200).as_bytes()));
    }
}
