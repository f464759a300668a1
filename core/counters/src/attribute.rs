//! Netlink attributes: type, length, value. Numbers of nf_tables are big-endian.

/// Marks an attribute that holds others.
const NESTED: u16 = 1 << 15;
/// The bits of the type without its marks.
const TYPE_MASK: u16 = 0x3fff;
const HEADER: usize = 4;

/// Appends attributes to a message.
pub(crate) struct Writer<'a> {
    into: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(into: &'a mut Vec<u8>) -> Self {
        Self { into }
    }

    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.into.extend_from_slice(value);
        self.close(start);
    }

    /// A string with the zero behind it that the kernel wants.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let start = self.open(kind);
        self.into.extend_from_slice(value.as_bytes());
        self.into.push(0);
        self.close(start);
    }

    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Writer<'_>)) {
        let start = self.open(kind | NESTED);
        fill(&mut Writer { into: self.into });
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.into.len();
        self.into.extend_from_slice(&[0, 0]);
        self.into.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Writes the length; what is nested here never comes near 64 KiB (`message::IN_MESSAGE`).
    fn close(&mut self, start: usize) {
        let len = self.into.len() - start;
        if let Some(space) = self.into.get_mut(start..start + 2) {
            space.copy_from_slice(&(len as u16).to_ne_bytes());
        }
        self.into.resize(start + len.next_multiple_of(4), 0);
    }
}

/// The attributes in a range of bytes; ends at the first that does not fit into it.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The value of the first attribute of this type.
    pub(crate) fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The attributes within the first attribute of this type.
    pub(crate) fn within(self, kind: u16) -> Option<Reader<'a>> {
        self.find(kind).map(Reader)
    }
}

impl<'a> IntoIterator for Reader<'a> {
    type Item = (u16, &'a [u8]);
    type IntoIter = Attributes<'a>;

    fn into_iter(self) -> Attributes<'a> {
        Attributes(self.0)
    }
}

/// Type and value of each attribute.
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = *self.0.first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([a, b]));
        let value = self.0.get(HEADER..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & TYPE_MASK, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.text(1, "abc");
        writer.nest(3, |inner| {
            inner.number(7, 0x0102_0304);
            inner.bytes(8, &[9; 5]);
        });
        assert_eq!(bytes.len(), 8 + 4 + 8 + 12);
        let reader = Reader(&bytes);
        assert_eq!(reader.find(1), Some(&b"abc\0"[..]));
        let inner = reader.within(3).expect("nested");
        assert_eq!(inner.find(7), Some(&[1, 2, 3, 4][..]));
        assert_eq!(inner.find(8), Some(&[9; 5][..]));
        assert_eq!(reader.find(7), None);
    }

    #[test]
    fn damage_ends_the_reading() {
        // Shorter than its header, longer than the bytes, and cut in the header.
        for bytes in [&[3, 0, 1, 0, 5][..], &[9, 0, 1, 0, 5, 5, 5, 5], &[8, 0, 1], &[]] {
            assert_eq!(Reader(bytes).into_iter().count(), 0, "{bytes:?}");
        }
    }
}
