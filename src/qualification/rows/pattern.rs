//! Texts that a pattern matches, for the patterns that schemas have. In: a regular expression or a LIKE pattern. Out:
//! a text, best effort: the server judges it. Never looks ahead or back, and knows no back reference.

use std::iter::Peekable;
use std::str::Chars;

/// A text for the regular expression. What may be repeated without end is repeated `repeat` times, and `seed` picks
/// among what may stand in a place.
pub(in crate::qualification) fn sample(pattern: &str, repeat: usize, seed: u64) -> Option<String> {
    let mut sampler = Sampler { rest: pattern.chars().peekable(), repeat, state: seed };
    let text = sampler.alternatives()?;
    sampler.rest.peek().is_none().then_some(text)
}

/// A text for the LIKE pattern, with `filler` for each `%`.
pub(in crate::qualification) fn like(pattern: &str, filler: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' => text.push_str(filler),
            '_' => text.push('x'),
            '\\' => text.extend(rest.next()),
            _ => text.push(c),
        }
    }
    text
}

/// How often something may be repeated that has no upper limit; also keeps a large one small.
const MOST: usize = 1000;

struct Sampler<'a> {
    rest: Peekable<Chars<'a>>,
    repeat: usize,
    state: u64,
}

enum Atom {
    /// One of these.
    Class(Vec<char>),
    /// This.
    Text(String),
    /// A place, such as the end.
    Nothing,
}

impl Sampler<'_> {
    fn alternatives(&mut self) -> Option<String> {
        let mut all = vec![self.sequence()?];
        while self.rest.next_if_eq(&'|').is_some() {
            all.push(self.sequence()?);
        }
        let index = self.pick(all.len());
        Some(all.swap_remove(index))
    }

    fn sequence(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|c| !matches!(c, '|' | ')')) {
            let atom = self.atom(c)?;
            let times = self.times()?;
            for _ in 0..times {
                match &atom {
                    Atom::Class(class) => {
                        let index = self.pick(class.len());
                        text.push(*class.get(index)?);
                    }
                    Atom::Text(inner) => text.push_str(inner),
                    Atom::Nothing => {}
                }
            }
        }
        Some(text)
    }

    fn atom(&mut self, first: char) -> Option<Atom> {
        Some(match first {
            '(' => {
                if self.rest.next_if_eq(&'?').is_some() {
                    self.rest.next_if_eq(&':')?;
                }
                let inner = self.alternatives()?;
                self.rest.next_if_eq(&')')?;
                Atom::Text(inner)
            }
            '[' => Atom::Class(self.class()?),
            '.' => Atom::Class(('a'..='z').collect()),
            '^' | '$' => Atom::Nothing,
            '\\' => match self.rest.next()? {
                'd' => Atom::Class(('0'..='9').collect()),
                'w' => Atom::Class(('a'..='z').collect()),
                's' => Atom::Class(vec![' ']),
                'S' | 'D' => Atom::Class(('a'..='z').collect()),
                'W' => Atom::Class(vec!['-']),
                'A' | 'Z' | 'm' | 'M' | 'y' | 'Y' | 'b' | 'B' => Atom::Nothing,
                '1'..='9' => return None,
                c => Atom::Class(vec![c]),
            },
            c => Atom::Class(vec![c]),
        })
    }

    /// A bracket expression, behind its opening bracket.
    fn class(&mut self) -> Option<Vec<char>> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut set = Vec::new();
        let mut first = true;
        loop {
            match self.rest.next()? {
                ']' if !first => break,
                '[' if self.rest.next_if_eq(&':').is_some() => set.extend(self.named_class()?),
                '\\' => match self.rest.next()? {
                    'd' => set.extend('0'..='9'),
                    'w' => set.extend(('a'..='z').chain('0'..='9')),
                    's' => set.push(' '),
                    c => set.push(c),
                },
                c => self.range(c, &mut set)?,
            }
            first = false;
        }
        if negated {
            let others = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(['-', '_', '.', ' ']);
            set = others.filter(|c| !set.contains(c)).collect();
        }
        (!set.is_empty()).then_some(set)
    }

    fn range(&mut self, from: char, set: &mut Vec<char>) -> Option<()> {
        if self.rest.next_if_eq(&'-').is_none() {
            set.push(from);
        } else if self.rest.peek() == Some(&']') {
            set.extend([from, '-']);
        } else {
            let to = self.rest.next()?;
            set.extend((from..=to).take(256));
        }
        Some(())
    }

    /// `alpha:]` and its like, behind `[:`.
    fn named_class(&mut self) -> Option<Vec<char>> {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != ':') {
            name.push(c);
        }
        self.rest.next_if_eq(&':')?;
        self.rest.next_if_eq(&']')?;
        Some(match name.as_str() {
            "alpha" | "lower" | "print" | "graph" => ('a'..='z').collect(),
            "upper" => ('A'..='Z').collect(),
            "digit" => ('0'..='9').collect(),
            "xdigit" => ('0'..='9').chain('a'..='f').collect(),
            "alnum" => ('a'..='z').chain('0'..='9').collect(),
            "space" | "blank" => vec![' '],
            "punct" => vec!['-'],
            _ => return None,
        })
    }

    /// How often what was just read stands there.
    fn times(&mut self) -> Option<usize> {
        let (least, most) = match self.rest.peek() {
            Some('*') => (0, MOST),
            Some('+') => (1, MOST),
            Some('?') => (0, 1),
            Some('{') => self.bounds()?,
            _ => return Some(1),
        };
        self.rest.next();
        self.rest.next_if_eq(&'?');
        Some(self.repeat.clamp(least, most.max(least)))
    }

    /// `{m}`, `{m,}` or `{m,n}`, up to its closing brace.
    fn bounds(&mut self) -> Option<(usize, usize)> {
        self.rest.next();
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '}') {
            text.push(c);
        }
        let (least, most) = text.split_once(',').unwrap_or((&text, &text));
        let most = if most.is_empty() { MOST } else { most.parse().ok()? };
        Some((least.parse().ok()?, most.min(MOST)))
    }

    fn pick(&mut self, among: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 40).unwrap_or_default() % among.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_matches_its_pattern() {
        for pattern in [
            "^[a-z0-9-]+$",
            r"^REQ-\d{3,5}$",
            r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
            "^(EUR|USD|GBP)$",
            "^#[0-9a-fA-F]{6}$",
            r"^(?:\+|00)[1-9]\d{6,14}$",
            "^[[:alpha:]][[:alnum:]_]*$",
            r"^\d+\.\d+\.\d+(-[a-z]+)?$",
            "^[]a-]x{2}$",
            "^.{8,64}$",
        ] {
            let matcher = regex::Regex::new(&pattern.replace("[]", r"[\]")).unwrap();
            for (repeat, seed) in [(1, 1), (2, 7), (5, 99)] {
                let text = sample(pattern, repeat, seed).unwrap();
                assert!(matcher.is_match(&text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn what_is_not_known_gives_no_sample() {
        for pattern in ["(?=a)b", r"(a)\1", "(a", "a)", "[[:odd:]]", "x{a}"] {
            assert_eq!(sample(pattern, 1, 1), None, "{pattern}");
        }
        assert_eq!(like(r"REQ-%\_a_", "7"), "REQ-7_ax");
    }
}
